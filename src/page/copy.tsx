import { useState } from 'preact/hooks';

/** A command with a button that copies it. */
export function Command({ text }: { readonly text: string }) {
  const [isCopied, set] = useState(false);
  const copy = (): void => {
    void navigator.clipboard.writeText(text).then(() => {
      set(true);
      setTimeout(() => set(false), 1500);
    });
  };
  return (
    <span class="command">
      <code>{text}</code>
      <button type="button" onClick={copy}>
        {isCopied ? 'Copied' : 'Copy'}
      </button>
    </span>
  );
}

/** A word for a shell. */
export function quoted(word: string): string {
  return /^[\w.:/@%+,=[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** Words of ours, in which a command of ours stands in quotes: with a button for it. */
export function Advice({ text }: { readonly text: string }) {
  const [, command] = /"((?:sudo )?drawbridge [^"]+)"|(?:^|: )((?:sudo )?drawbridge .+)$/.exec(text) ?? [];
  return (
    <>
      <p>{text}</p>
      {command === undefined ? null : <Command text={command} />}
    </>
  );
}
