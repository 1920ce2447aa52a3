import type { FlowRecord } from '../flows/flow-record.ts';

/** An answer that says why there is none. */
class AskError extends Error {
  override readonly name = 'AskError';
}

/**
 * The token is behind "#" of the address that was opened. It is kept for this tab and taken out of the address, so that
 * it is in no bookmark and in no picture of the screen.
 */
const token = takeToken();

function takeToken(): string {
  const [, given] = /[#&]token=([0-9a-f]+)/.exec(location.hash) ?? [];
  if (given !== undefined) {
    sessionStorage.setItem('token', given);
    history.replaceState(null, '', '#/');
  }
  return given ?? sessionStorage.getItem('token') ?? '';
}

/** Answers that came with the page, where it was written into a file: then there is nobody to ask. */
const kept = readKept();

function readKept(): { readonly at: string; readonly answers: Readonly<Record<string, unknown>> } | undefined {
  const text = document.getElementById('kept')?.textContent;
  return text === null || text === undefined ? undefined : (JSON.parse(text) as typeof kept);
}

/** When the answers of a kept page were given; undefined for one that is served. */
export const keptAt = kept?.at;

/** Asks what one of the commands says. Throws {@link AskError}. */
export async function ask<T>(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<T> {
  const query = new URLSearchParams(parameters).toString();
  const address = `/api/${path}${query === '' ? '' : `?${query}`}`;
  if (kept !== undefined) {
    if (address in kept.answers) return kept.answers[address] as T;
    throw new AskError('This page is a file: it cannot ask the host.');
  }
  const response = await fetch(address, { headers: headers() });
  if (response.status === 401)
    throw new AskError('Open the address that "drawbridge ui" printed: the part after "#" is missing.');
  const answer = (await response.json()) as T | { readonly error: string };
  if (!response.ok) throw new AskError((answer as { error: string }).error);
  return answer as T;
}

/** Has something done. Throws {@link AskError} with what the command says. */
export async function act<T>(path: string, parameters: Readonly<Record<string, string>>): Promise<T> {
  const address = `/api/${path}?${new URLSearchParams(parameters).toString()}`;
  const response = await fetch(address, { method: 'POST', headers: headers() });
  const text = await response.text();
  if (!response.headers.get('Content-Type')?.startsWith('application/json')) throw new AskError(text);
  const answer = JSON.parse(text) as T | { readonly error: string };
  if (!response.ok) throw new AskError((answer as { error: string }).error);
  return answer as T;
}

export interface FlowBatch {
  readonly records: readonly FlowRecord[];
  /** Records that were left out of this one. */
  readonly left: number;
}

/** Reads records as they come, until the signal; comes back after a moment when the server was away. */
export async function follow(
  onFlows: (batch: FlowBatch) => void,
  onState: (isLive: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  while (kept === undefined && !signal.aborted) {
    try {
      const response = await fetch('/api/follow', { headers: headers(), signal });
      if (response.body !== null && response.ok) await readEvents(response.body, onFlows, onState);
    } catch {
      // Away, or aborted: the loop tells.
    }
    onState(false);
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

async function readEvents(
  body: ReadableStream<Uint8Array>,
  onFlows: (batch: FlowBatch) => void,
  onState: (isLive: boolean) => void,
): Promise<void> {
  onState(true);
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    const events = `${rest}${decoder.decode(chunk, { stream: true })}`.split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const [, kind, data] = /^event: (\w+)\ndata: (.*)$/s.exec(event) ?? [];
      if (kind === 'flows' && data !== undefined) onFlows(JSON.parse(data) as FlowBatch);
      if (kind === 'agent') onState(false);
    }
  }
}

function headers(): HeadersInit {
  return { Authorization: `Bearer ${token}` };
}
