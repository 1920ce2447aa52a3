import type { DataType } from './data.ts';
import type { Part, TableName } from './element.ts';

/**
 * Who fills a set, and so who may judge what it holds, whether a rebuild has to carry it over, and what the loss of an
 * element means.
 *
 *   record     what follows from the records of attachments alone: what no record wants is nobody's
 *   constant   the declaration lists it
 *   host       ADD and the agent keep it as addresses of the host come and go
 *   expiring   a filler puts elements while containers run, and they run out unless it renews them
 *   peers      a filler puts elements while containers run, and takes them out itself: what others are, not the
 *              container itself (pods of a selector, approvals)
 *   counter    packets put elements, to be counted
 *   bucket     packets put elements, to be held to a rate or a number: nobody misses one that is lost
 */
export type FilledBy = 'record' | 'constant' | 'host' | 'expiring' | 'peers' | 'counter' | 'bucket';

/** A set or a map of nft. */
export interface SetDeclaration {
  readonly table: TableName;
  readonly name: string;
  /** Parts of a key. */
  readonly key: readonly DataType[];
  /** nft(8), TYPEOF: expressions that have these types, where a part has a type that nft gives no name. */
  readonly typeof?: string;
  /** Of a map: parts of a value, or a verdict. */
  readonly value?: readonly DataType[] | 'verdict';
  readonly flags?: readonly ('interval' | 'dynamic' | 'timeout')[];
  /** Elements at most; absent: the kernel's own limit. */
  readonly size?: number;
  /** Minutes until the kernel drops an element that has no time of its own. */
  readonly timeoutMinutes?: number;
  /** Whether each element counts the packets that it matched. */
  readonly isCounted?: boolean;
  /** Keys of what it always holds. */
  readonly elements?: readonly (readonly Part[])[];
  readonly filledBy: FilledBy;
  /** For documents: what an element says. */
  readonly about: string;
}

/** A counter with a name. */
export interface CounterDeclaration {
  readonly table: TableName;
  readonly name: string;
  /** For documents: what is counted. */
  readonly about: string;
}

/** How long the kernel keeps TCP connections that a rule gives this to (nft(8), CT TIMEOUT); its own where absent. */
export interface TimeoutDeclaration {
  readonly table: TableName;
  readonly name: string;
  /** Seconds by nft's names of states. */
  readonly seconds: Readonly<Record<string, number>>;
  /** For documents: which connections have it. */
  readonly about: string;
}

export interface ChainDeclaration {
  readonly table: TableName;
  readonly name: string;
  /** Absent: other chains lead to it. */
  readonly hook?: Hook;
  /** Each is nft text after `add rule TABLE CHAIN`. */
  readonly rules: readonly string[];
}

/** Where packets meet a chain; what no rule decides is accepted. */
export interface Hook {
  readonly type: 'filter' | 'nat';
  readonly at: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';
  /** nft text: `filter - 5`, `-450`. */
  readonly priority: string;
  /** Absent: it does not judge where containers may go. */
  readonly stage?: Stage;
}

/**
 * What a judgement goes by. "asked": the destination that the container asked for, whatever was made of it since;
 * "translated": the one that the packet is on its way to, after every translation of a destination.
 */
export type Stage = 'asked' | 'translated';
