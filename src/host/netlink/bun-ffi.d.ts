/** What host/netlink/libc.ts uses of it (bun.com/docs/runtime/ffi). */
declare module 'bun:ffi' {
  type CType = 'i32' | 'u32' | 'usize' | 'ptr';
  type Argument = number | Uint8Array | Int32Array;

  export type LibraryCalls<Name extends string> = Readonly<Record<Name, (...args: Argument[]) => number>>;

  /** Where the bytes are, for a structure that points to them. */
  export function ptr(view: Uint8Array): number;

  /** What stands at a place, and so many bytes behind it. */
  export const read: { i32(this: void, place: number, offset: number): number };

  export function dlopen<Name extends string>(
    library: string,
    symbols: Readonly<Record<Name, { readonly args: readonly CType[]; readonly returns: CType }>>,
  ): { readonly symbols: LibraryCalls<Name> };
}
