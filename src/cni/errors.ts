import { systemReason } from '../text/system-error.ts';

import { visibleLines } from '../text/visible.ts';

/**
 * Every error code that a plugin may put on stdout.
 *
 * 1-11 and 50-51 are the specification's ("Error", SPEC.md 1.1.0, section 5); 8 is the reference
 * library's; 999 is what that library gives to an error without a code of its own.
 */
export const codes = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  decodingFailure: 6,
  invalidConfig: 7,
  invalidNetns: 8,
  tryAgainLater: 11,
  notAvailable: 50,
  limitedConnectivity: 51,
  /** 100 and above are the plugin's own: a program that we need failed, hung or is missing. */
  commandFailed: 100,
  /** No address of a range set is free. */
  poolExhausted: 101,
  /** Another attachment holds what was asked for: a host port, an address, an interface name. */
  conflict: 102,
  /** What CHECK compared is missing or is not as ADD made it. */
  checkFailed: 103,
  /** A policy could not be put in force, or is not in force. */
  policyNotEnforced: 104,
  internal: 999,
} as const;

export type ErrorCode = (typeof codes)[keyof typeof codes];

/**
 * An error with a code of the CNI specification.
 *
 * `message` says what was asked and what is, values in double quotes, without a final period;
 * `details` says what to do about it, or holds what a program printed.
 */
export class CniError extends Error {
  override readonly name = 'CniError';
  readonly code: number;
  readonly details: string | undefined;

  constructor(code: ErrorCode | number, message: string, details?: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** An error about one place of a configuration. */
export class PlaceError extends CniError {
  /** Path of the place: "ipam.ranges[0][1].subnet"; "" is the whole configuration. */
  readonly path: string;

  constructor(path: string, message: string, details?: string, code: number = codes.invalidConfig) {
    super(code, message, details);
    this.path = path;
  }
}

/** A value of a configuration that is wrong. */
export class InvalidValueError extends PlaceError {
  constructor(path: string, problem: string, details?: string, code?: number) {
    super(path, `Invalid ${JSON.stringify(path === '' ? 'configuration' : path)}: ${problem}`, details, code);
  }
}

/** A key of a configuration that is wrong as a key, whatever its value is. */
export class UnknownKeyError extends InvalidValueError {}

/** What goes to stdout when a verb fails. */
export interface WireError {
  cniVersion: string;
  code: number;
  msg: string;
  details?: string;
}

/** Makes the error object of the specification out of anything that was thrown. */
export function toWireError(thrown: unknown, cniVersion: string): WireError {
  const cause = rootCause(thrown);
  if (cause instanceof CniError) {
    const wire: WireError = { cniVersion, code: cause.code, msg: visibleLines(cause.message) };
    if (cause.details !== undefined && cause.details !== '') wire.details = visibleLines(cause.details);
    return wire;
  }
  const file = fileOfError(cause);
  const reason = visibleLines(systemReason(cause));
  return file === undefined
    ? { cniVersion, code: codes.internal, msg: reason }
    : { cniVersion, code: codes.ioFailure, msg: `Cannot use ${JSON.stringify(file)}: ${reason}` };
}

/** Gathers the errors of a removal that went on past its failures; undefined when there were none. */
export function combineErrors(what: string, errors: readonly unknown[]): CniError | undefined {
  const wires = errors.map((error) => toWireError(error, ''));
  const first = wires[0];
  if (first === undefined) return undefined;
  if (wires.length === 1) return new CniError(first.code, first.msg, first.details);
  const list = wires.map(({ msg, details }) => (details === undefined ? msg : `${msg} (${details})`)).join('; ');
  return new CniError(first.code, `Cannot ${what} completely: ${wires.length} steps failed`, list);
}

/** The file that a failed call to the system was about; undefined for any other error. */
export function fileOfError(thrown: unknown): string | undefined {
  const { path, dest, syscall } = (thrown instanceof Error ? thrown : {}) as NodeJS.ErrnoException & { dest?: string };
  return syscall === undefined ? undefined : (dest ?? path);
}

/** An undo step that throws hides the first error in `suppressed`: that first error is what matters. */
function rootCause(thrown: unknown): unknown {
  let current = thrown;
  while (current instanceof SuppressedError) current = current.suppressed;
  return current;
}
