import type { AttachmentRequest, Request } from '../../../cni/request.ts';
import type { AttachmentRecord } from '../../record.ts';

/** Something that is not as the record says, or that nobody uses; one sentence without a period. */
export interface Glance {
  /** "inside" is in the container's namespace; "unused" is a tap that no process holds, and nothing wrong. */
  readonly kind: 'link' | 'inside' | 'unused';
  readonly what: string;
}

export interface Mend<Value> {
  /** What is not as the record says, a sentence each without a period. */
  readonly look: (value: Value) => Promise<string[]>;
  /** What that means for the container. */
  readonly why: string;
  /** Puts all of it back. To be called with the attachment's lock in hand. */
  readonly put: (value: Value) => Promise<void>;
}

/**
 * What is done to the machine for a section; all that follows from claims (accepts in foreign firewalls, gates, index
 * entries) and elements is done for all sections alike. Every step is right when it was done before.
 */
export interface Upkeep<Value> {
  /**
   * What besides elements is not as it was made, a sentence each, for CHECK. `told` is its request: what plugins after
   * us changed, and wrote into the result, is as it should be.
   */
  readonly differences?: (value: Value, record: AttachmentRecord, told: AttachmentRequest) => Promise<string[]>;
  /** So much of it as can be told of every container at once, from one list of the host's links. */
  readonly glance?: (value: Value, record: AttachmentRecord) => readonly Glance[];
  /**
   * What doctor looks for in a living container, and puts back. Ports and bridges are what the section says of them
   * (section.ts): of one bridge many records may say something.
   */
  readonly mend?: Mend<Value>;
  /** Before rules go: a container that still runs never runs without them. */
  readonly close?: (value: Value, record: AttachmentRecord) => Promise<void>;
  /** Runs programs of others, which may take their time: no lock is held. `told` is the request that has us remove. */
  readonly delegate?: (value: Value, record: AttachmentRecord, told: Request | undefined) => Promise<void>;
  /** Removes links and queues, side by side with the rules. */
  readonly unlink?: (value: Value, record: AttachmentRecord) => Promise<void>;
  /** When the rules are gone, and before the record goes: nobody else has it while anything here says whose it is. */
  readonly release?: (value: Value, record: AttachmentRecord) => Promise<void>;
  /** Last of all: what the kernel remembers and what did no harm until now. */
  readonly forget?: (value: Value) => Promise<void>;
}
