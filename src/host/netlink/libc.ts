/**
 * The few calls of the C library that a network namespace and a netlink socket need, made from this process. Only the
 * executable can: its runtime has bun:ffi. Under Node there is none, and children do the work (host/ip.ts).
 */
import { closeSync, openSync } from 'node:fs';
import type { dlopen, LibraryCalls, ptr, read } from 'bun:ffi';
import { isPluginRun } from '../run.ts';

/** Calls as the C library has them: -1 says that one failed. */
type Calls = LibraryCalls<
  | 'socket'
  | 'bind'
  | 'setsockopt'
  | 'getsockopt'
  | 'setns'
  | 'send'
  | 'sendto'
  | 'recv'
  | 'ioctl'
  | '__errno_location'
  | 'syscall'
>;

interface Library {
  readonly dlopen: typeof dlopen;
  readonly ptr: typeof ptr;
  readonly read: typeof read;
}

/** The system's side of netlink. */
export interface Kernel {
  /**
   * Opens a socket that speaks of a namespace for as long as it lives; close it with `closeSync`. Undefined when the
   * path leads to none. `protocol` is one of {@link protocols}.
   */
  openSocket(netns: string | undefined, protocol: number): number | undefined;
  /**
   * Opens a socket that is told of changes in this process' namespace, and waits for nothing when it is read. Undefined
   * when the kernel has no such groups. `isLossy`: what there is no room for is dropped, and reading goes on.
   */
  openListener(
    protocol: number,
    groups: readonly number[],
    options?: { readonly isLossy?: boolean },
  ): number | undefined;
  /** Opens a socket that sends packets with the headers that they have. Undefined when there is none to be had. */
  openRawSocket(family: 4 | 6): number | undefined;
  /** Sends a packet to an address, by the host's routes; false when the kernel did not take it. */
  sendTo(socket: number, packet: Uint8Array, address: Uint8Array): boolean;
  /** Opens a socket that sends datagrams to sockets of this host, and waits for nothing. */
  openDatagramSocket(): number | undefined;
  /** Sends a datagram to the socket at a path; false when nobody took it at once. */
  sendToPath(socket: number, datagram: Uint8Array, path: string): boolean;
  /** Sends a message whole; false when the kernel did not take it. */
  send(socket: number, message: Uint8Array): boolean;
  /** What the kernel has answered so far, without waiting; undefined when there is nothing. */
  receive(socket: number): Uint8Array | undefined;
  /**
   * Loads a classifier of linux/bpf.h; the descriptor of it, to be closed, or undefined when the kernel does not take
   * it. `instructions` are struct bpf_insn, eight bytes each.
   */
  loadClassifier(name: string, instructions: Uint8Array): number | undefined;
  /**
   * Reads an option of a raw socket of this process' namespace into `value`, which says on the way there what is asked
   * for, and returns `value`; undefined when the kernel has no such option.
   */
  readOption(
    family: 4 | 6,
    asked: { readonly level: number; readonly option: number; readonly value: Uint8Array },
  ): Uint8Array | undefined;
  /** ioctl(2) with a structure, or with a number in its place; returns 0, or the number of errno(3). */
  control(file: number, request: number, value: Uint8Array | number): number;
  /** Runs something that waits for nothing in a namespace: files of /proc/sys/net/ are that namespace's there. */
  within<T>(netns: string, work: () => T): T;
}

let opened: { readonly kernel: Kernel | undefined } | undefined;

/** Undefined where this process cannot speak to the kernel itself, or is no plugin: the others have programs do it. */
export function openKernel(): Kernel | undefined {
  return isPluginRun() ? openLibrary() : undefined;
}

/** Undefined where this process cannot speak to the kernel itself. */
export function openLibrary(): Kernel | undefined {
  opened ??= { kernel: load() };
  return opened.kernel;
}

function load(): Kernel | undefined {
  if (process.versions['bun'] === undefined || process.env['DRAWBRIDGE_CHILDREN'] === '1') return undefined;
  try {
    // Asked for by name: an import would be a promise, and callers need an answer at once.
    const { getBuiltinModule } = process as unknown as { getBuiltinModule(this: void, name: 'bun:ffi'): Library };
    const ffi = getBuiltinModule('bun:ffi');
    const number = { returns: 'i32' } as const;
    const { symbols } = ffi.dlopen('libc.so.6', {
      socket: { args: ['i32', 'i32', 'i32'], ...number },
      bind: { args: ['i32', 'ptr', 'u32'], ...number },
      setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], ...number },
      getsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'ptr'], ...number },
      setns: { args: ['i32', 'i32'], ...number },
      send: { args: ['i32', 'ptr', 'usize', 'i32'], ...number },
      sendto: { args: ['i32', 'ptr', 'usize', 'i32', 'ptr', 'u32'], ...number },
      recv: { args: ['i32', 'ptr', 'usize', 'i32'], ...number },
      ioctl: { args: ['i32', 'usize', 'ptr'], ...number },
      __errno_location: { args: [], returns: 'ptr' },
      syscall: { args: ['usize', 'usize', 'ptr', 'usize'], ...number },
    });
    return kernelOf(symbols, ffi);
  } catch {
    // Another C library than glibc, or a processor that bun:ffi does not know.
    return undefined;
  }
}

/** Of linux/netlink.h: links, addresses, routes; sockets; what netfilter has. */
export const protocols = { route: 0, sockets: 4, netfilter: 12 } as const;

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_RAW = 255;
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 0x80003;
const SOCK_DGRAM_CLOEXEC = 0x80002;
const SOCK_NONBLOCK = 0x800;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_NO_ENOBUFS = 5;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const CLONE_NEWNET = 0x40000000;
const MSG_DONTWAIT = 0x40;

/** Bytes: a transaction is sent as one message. */
const mostSent = 2 * 1024 * 1024;
/** Bytes: a rebuild of a full host's tables is told in two megabytes, at once. The kernel takes them as they come. */
const listenerRoom = 4 * 1024 * 1024;

/** Numbers of bpf(2), which the C library has no name for, as Node calls processors (asm/unistd.h). */
const bpfNumbers: Readonly<Record<string, number>> = { x64: 321, arm64: 280, riscv64: 280, ppc64: 361, s390x: 351 };
const BPF_PROG_LOAD = 5;
const BPF_PROG_TYPE_SCHED_CLS = 3;

function kernelOf(calls: Calls, { ptr: addressOf, read: memory }: Library): Kernel {
  /** A part of a dump is no longer than 32 KB (netlink_dump in net/netlink/af_netlink.c), a queued packet than 66. */
  const buffer = new Uint8Array(128 * 1024);
  const socketHere = (protocol: number): number => {
    const socket = calls.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol);
    // Errors then come with the kernel's own sentence, where it has one (Linux 4.12).
    if (socket >= 0) {
      calls.setsockopt(socket, SOL_NETLINK, NETLINK_EXT_ACK, new Int32Array([1]), 4);
      // An error does not repeat what was asked for, which may be more than the buffer holds (Linux 4.3).
      calls.setsockopt(socket, SOL_NETLINK, NETLINK_CAP_ACK, new Int32Array([1]), 4);
      calls.setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, new Int32Array([mostSent]), 4);
    }
    return socket;
  };
  const openListener: Kernel['openListener'] = (protocol, groups, { isLossy = false } = {}) => {
    const socket = calls.socket(AF_NETLINK, SOCK_RAW_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (socket < 0) return undefined;
    // struct sockaddr_nl: the kernel picks the number of this end.
    const address = new Uint8Array(12);
    address.set(new Uint8Array(new Uint16Array([AF_NETLINK]).buffer));
    calls.setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, new Int32Array([listenerRoom]), 4);
    if (isLossy) calls.setsockopt(socket, SOL_NETLINK, NETLINK_NO_ENOBUFS, new Int32Array([1]), 4);
    const isTold =
      calls.bind(socket, address, address.length) === 0 &&
      groups.every(
        (group) => calls.setsockopt(socket, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, new Int32Array([group]), 4) === 0,
      );
    if (isTold) return socket;
    closeSync(socket);
    return undefined;
  };
  const openRawSocket = (family: 4 | 6): number | undefined => {
    const socket = calls.socket(family === 4 ? AF_INET : AF_INET6, SOCK_RAW_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
    return socket < 0 ? undefined : socket;
  };
  const sendTo = (socket: number, packet: Uint8Array, address: Uint8Array): boolean => {
    // struct sockaddr_in and sockaddr_in6, without port; the latter has a flow label before its address.
    const isSix = address.length === 16;
    const to = new Uint8Array(isSix ? 28 : 16);
    to.set(new Uint8Array(new Uint16Array([isSix ? AF_INET6 : AF_INET]).buffer));
    to.set(address, isSix ? 8 : 4);
    return calls.sendto(socket, packet, packet.length, 0, to, to.length) === packet.length;
  };
  const sendToPath = (socket: number, datagram: Uint8Array, path: string): boolean => {
    // struct sockaddr_un: the family, and the path with a zero behind it.
    const to = new Uint8Array([AF_UNIX, 0, ...new TextEncoder().encode(path), 0]);
    return calls.sendto(socket, datagram, datagram.length, 0, to, to.length) === datagram.length;
  };
  const within = <T>(netns: string, work: () => T): T => {
    const own = openSync('/proc/thread-self/ns/net', 'r');
    try {
      const other = openSync(netns, 'r');
      try {
        if (calls.setns(other, CLONE_NEWNET) !== 0) throw new Error(`setns to "${netns}" failed`);
      } finally {
        closeSync(other);
      }
      try {
        return work();
      } finally {
        // A process in the wrong namespace must not go on.
        if (calls.setns(own, CLONE_NEWNET) !== 0) process.abort();
      }
    } finally {
      closeSync(own);
    }
  };
  const loadClassifier = (name: string, instructions: Uint8Array): number | undefined => {
    const number = bpfNumbers[process.arch];
    if (number === undefined) return undefined;
    const license = new TextEncoder().encode('Apache-2.0\0');
    // union bpf_attr up to prog_name: prog_type, insn_cnt, insns, license, log_level, log_size, log_buf, kern_version,
    // prog_flags.
    const request = new Uint8Array(64);
    const words = new Uint32Array(request.buffer);
    const pointers = new BigUint64Array(request.buffer);
    words[0] = BPF_PROG_TYPE_SCHED_CLS;
    words[1] = instructions.length / 8;
    pointers[1] = BigInt(addressOf(instructions));
    pointers[2] = BigInt(addressOf(license));
    request.set(new TextEncoder().encode(name), 48);
    const program = calls.syscall(number, BPF_PROG_LOAD, request, request.length);
    return program < 0 ? undefined : program;
  };
  const readOption: Kernel['readOption'] = (family, { level, option, value }) => {
    const socket = calls.socket(family === 4 ? AF_INET : AF_INET6, SOCK_RAW_CLOEXEC, IPPROTO_RAW);
    if (socket < 0) return undefined;
    try {
      const isRead = calls.getsockopt(socket, level, option, value, new Int32Array([value.length])) === 0;
      return isRead ? value : undefined;
    } finally {
      closeSync(socket);
    }
  };
  const control: Kernel['control'] = (file, request, value) =>
    calls.ioctl(file, request, value) >= 0 ? 0 : memory.i32(calls.__errno_location(), 0);
  return {
    within,
    control,
    loadClassifier,
    readOption,
    openListener,
    openRawSocket,
    sendTo,
    openDatagramSocket: () => {
      const socket = calls.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC | SOCK_NONBLOCK, 0);
      return socket < 0 ? undefined : socket;
    },
    sendToPath,
    openSocket: (netns, protocol) => {
      try {
        const socket = netns === undefined ? socketHere(protocol) : within(netns, () => socketHere(protocol));
        return socket < 0 ? undefined : socket;
      } catch {
        return undefined;
      }
    },
    send: (socket, message) => calls.send(socket, message, message.length, 0) === message.length,
    receive: (socket) => {
      const length = calls.recv(socket, buffer, buffer.length, MSG_DONTWAIT);
      return length <= 0 ? undefined : buffer.slice(0, length);
    },
  };
}
