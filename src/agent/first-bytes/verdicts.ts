import type { Reset } from './reset.ts';

/** A packet that waits in the kernel's queue. */
export interface WaitingPacket {
  readonly id: number;
  readonly mark: number;
}

/** What is done with packets, and with connections that are refused. */
export interface Verdicts {
  pass(packet: WaitingPacket): void;
  /** Lets a packet pass, and nothing of its connection is asked about any more. */
  settle(packet: WaitingPacket): void;
  drop(packet: WaitingPacket): void;
  /** Drops a packet, which is counted as a denial. */
  deny(packet: WaitingPacket): void;
  reset(reset: Reset): void;
}
