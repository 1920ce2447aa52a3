import { useEffect, useState } from 'preact/hooks';
import { ask } from './api.ts';

export interface Answer<T> {
  readonly value?: T;
  readonly error?: string;
}

/**
 * What a command says, asked for again every `every` milliseconds while the page is seen; `parameters` undefined asks
 * nothing. The last answer stays until the next one is there.
 */
export function useAnswer<T>(
  path: string,
  parameters: Readonly<Record<string, string>> | undefined,
  every?: number,
): Answer<T> {
  const [answer, set] = useState<Answer<T>>({});
  const key = JSON.stringify(parameters);
  useEffect(() => {
    if (parameters === undefined) return set({});
    let isOver = false;
    let timer: number | undefined;
    const look = async (): Promise<void> => {
      if (!document.hidden) {
        const next = await ask<T>(path, parameters).then(
          (value): Answer<T> => ({ value }),
          (error: unknown): Answer<T> => ({ error: error instanceof Error ? error.message : String(error) }),
        );
        if (isOver) return;
        set((before) => (next.error === undefined ? next : { ...before, ...next }));
      }
      if (every !== undefined && !isOver) timer = window.setTimeout(() => void look(), every);
    };
    void look();
    return () => {
      isOver = true;
      window.clearTimeout(timer);
    };
  }, [path, key, every]);
  return answer;
}
