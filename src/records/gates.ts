/**
 * Which interfaces have their gate (egress/gate.ts), so that an ADD need not ask the kernel.
 *
 *   /run/drawbridge/gates/<interface>     empty; written when the gate is there, removed before it goes
 *
 * Who removes a note looks under the lock of the tables whether somebody still needs the gate, and somebody does whose
 * rules are in force; who relies on one looks at it when the own rules are in force. So one of the two sees the other.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { runDir } from '../host/paths.ts';

export function isGateNoted(ingressInterface: string): boolean {
  return existsSync(gateFile(ingressInterface));
}

/** Throws code 5. */
export function noteGate(ingressInterface: string): void {
  const file = gateFile(ingressInterface);
  try {
    mkdirSync(`${runDir}/gates`, { recursive: true, mode: 0o700 });
    writeFileSync(file, '', { mode: 0o600 });
  } catch (error) {
    throw new CniError(codes.ioFailure, `Cannot write "${file}"`, (error as Error).message, { cause: error });
  }
}

export function forgetGate(ingressInterface: string): void {
  rmSync(gateFile(ingressInterface), { force: true });
}

function gateFile(ingressInterface: string): string {
  return `${runDir}/gates/${encodeURIComponent(ingressInterface)}`;
}
