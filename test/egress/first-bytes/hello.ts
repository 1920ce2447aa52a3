/** Makes ClientHellos by hand: what clients do not send, or only some of them. */
export interface HelloOptions {
  /** Lists of server names: [[type, name], …] for each extension. */
  readonly names?: readonly (readonly (readonly [number, string])[])[];
  /** Further extensions, before the names. */
  readonly before?: readonly (readonly [number, Uint8Array])[];
  readonly after?: readonly (readonly [number, Uint8Array])[];
  readonly withoutExtensions?: boolean;
}

/** The handshake message. */
export function hello({ names = [], before = [], after = [], withoutExtensions = false }: HelloOptions): Buffer {
  const lists = names.map((list) => [0, nameList(list)] as const);
  const extensions = [...before, ...lists, ...after].map(([type, data]) => Buffer.concat([u16(type), vector(2, data)]));
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    vector(1, Buffer.alloc(32, 9)),
    vector(2, Buffer.from([0x13, 0x01, 0x0a, 0x0a])),
    vector(1, Buffer.from([0])),
    ...(withoutExtensions ? [] : [vector(2, Buffer.concat(extensions))]),
  ]);
  return Buffer.concat([Buffer.from([1]), vector(3, body)]);
}

/** Puts a message into records of at most `size` bytes. */
export function inRecords(message: Buffer, size = 16_384): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size)
    records.push(Buffer.from([22, 3, 1]), vector(2, message.subarray(at, at + size)));
  return Buffer.concat(records);
}

export function vector(size: 1 | 2 | 3, data: Uint8Array): Buffer {
  const length = Buffer.alloc(size);
  length.writeUIntBE(data.length, 0, size);
  return Buffer.concat([length, data]);
}

function nameList(list: readonly (readonly [number, string])[]): Buffer {
  return vector(
    2,
    Buffer.concat(
      list.map(([type, name]) => Buffer.concat([Buffer.from([type]), vector(2, Buffer.from(name, 'latin1'))])),
    ),
  );
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}
