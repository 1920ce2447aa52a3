/**
 * Writes a tar archive (POSIX ustar): releases, and the images of containers in tests. Everything is root's and of
 * the first second of 1970, so that the same entries give the same bytes.
 */

export type TarEntry =
  | { readonly name: string; readonly data: Buffer | string; readonly mode?: number }
  | { readonly name: string; readonly link: string }
  | { readonly name: string; readonly folder: true; readonly mode?: number };

export function tar(entries: readonly TarEntry[]): Buffer {
  const blocks = entries.flatMap((entry) =>
    'data' in entry ? [header(entry), padded(Buffer.from(entry.data))] : [header(entry)],
  );
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function header(entry: TarEntry): Buffer {
  const block = Buffer.alloc(512);
  const size = 'data' in entry ? Buffer.from(entry.data).length : 0;
  const mode =
    'mode' in entry && entry.mode !== undefined
      ? entry.mode
      : 'data' in entry
        ? 0o644
        : 'link' in entry
          ? 0o777
          : 0o755;
  block.write(entry.name, 0, 100);
  octal(block, mode, 100, 8);
  octal(block, 0, 108, 8);
  octal(block, 0, 116, 8);
  octal(block, size, 124, 12);
  octal(block, 0, 136, 12);
  block.write('link' in entry ? '2' : 'folder' in entry ? '5' : '0', 156);
  if ('link' in entry) block.write(entry.link, 157, 100);
  block.write('ustar\u000000', 257, 'latin1');
  // The checksum is that of a header whose checksum is eight spaces.
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148, 'latin1');
  return block;
}

function octal(block: Buffer, value: number, offset: number, length: number): void {
  block.write(`${value.toString(8).padStart(length - 1, '0')}\u0000`, offset, 'latin1');
}

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}
