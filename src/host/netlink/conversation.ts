import { closeSync } from 'node:fs';
import { strerror } from './errno.ts';
import { openLibrary, protocols, type Kernel } from './libc.ts';
import {
  decode,
  decodeAttributes,
  encode,
  flag,
  readNumber,
  readText,
  type,
  type Answer,
  type Request,
} from './message.ts';

/** What the kernel refused. The message is its sentence, or what stands for the number. */
export class RefusedError extends Error {
  /** As in errno(3). */
  readonly errno: number;
  /** The kernel's own sentence, without a period; most refusals have none. */
  readonly sentence: string | undefined;

  constructor(errno: number, sentence: string | undefined) {
    super(sentence ?? strerror(errno));
    this.errno = errno;
    this.sentence = sentence;
  }
}

let shared: Conversation | undefined;

/**
 * Speaks of the rules and flows of this process' namespace, for as long as the process lives: the kernel has everybody
 * who closes such a socket wait until it has cleared up what the last transaction took out, 20 ms. Undefined where this
 * process cannot.
 */
export function netfilterHere(): Conversation | undefined {
  if (shared?.isBroken === true) {
    shared.close();
    shared = undefined;
  }
  const kernel = shared === undefined ? openLibrary() : undefined;
  shared ??= kernel && Conversation.open(kernel, undefined, protocols.netfilter);
  return shared;
}

/** Speaks to the kernel about one namespace. Whatever is asked has its answer when the asking returns. */
export class Conversation {
  readonly #kernel: Kernel;
  readonly #socket: number;
  #sequence = 0;
  #isBroken = false;
  /** Whether what was told last changed meanwhile. */
  #isInterrupted = false;

  private constructor(kernel: Kernel, socket: number) {
    this.#kernel = kernel;
    this.#socket = socket;
  }

  /** Undefined when there is no such namespace, or no socket to be had. */
  static open(kernel: Kernel, netns?: string, protocol: number = protocols.route): Conversation | undefined {
    const socket = kernel.openSocket(netns, protocol);
    return socket === undefined ? undefined : new Conversation(kernel, socket);
  }

  /** Whether an answer was lost: what comes next may belong to it. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  close(): void {
    closeSync(this.#socket);
  }

  /**
   * Sends messages that are one transaction, and returns what the kernel answered by the time it had taken them;
   * nothing where it did not take them. What was asked for before and not read is passed over.
   */
  exchange(messages: Uint8Array): Answer[] {
    this.#unread();
    return this.#kernel.send(this.#socket, messages) ? this.#unread() : [];
  }

  #unread(): Answer[] {
    const found: Answer[] = [];
    for (
      let bytes = this.#kernel.receive(this.#socket);
      bytes !== undefined;
      bytes = this.#kernel.receive(this.#socket)
    )
      found.push(...decode(bytes));
    return found;
  }

  /** Has the kernel do something. Throws {@link RefusedError}. */
  change(request: Request): void {
    this.#ask({ ...request, flags: request.flags | flag.ack });
  }

  /**
   * Asks for one object, or with `flag.dump` for all of a kind: again when others changed them while they were told,
   * since such an answer may lack some. Throws {@link RefusedError}.
   */
  read(request: Request): Answer[] {
    for (let tries = 1; ; tries += 1) {
      this.#isInterrupted = false;
      const answers = this.#ask(request);
      if (tries === mostTries || !this.#isInterrupted) return answers;
    }
  }

  #ask(request: Request): Answer[] {
    const sequence = ++this.#sequence;
    if (!this.#kernel.send(this.#socket, encode(request, sequence))) throw new RefusedError(EIO, undefined);
    const found: Answer[] = [];
    for (;;) {
      // The kernel answers before send() returns; the next part of a dump is made as the one before it is read.
      const bytes = this.#kernel.receive(this.#socket);
      if (bytes === undefined) {
        this.#isBroken = true;
        throw new RefusedError(EIO, 'The kernel did not answer');
      }
      for (const answer of decode(bytes)) {
        if (answer.sequence !== sequence) continue;
        if ((answer.flags & NLM_F_DUMP_INTR) !== 0) this.#isInterrupted = true;
        if (answer.type === type.error) {
          throwIfRefused(answer);
          return found;
        }
        if (answer.type === type.done) return found;
        found.push(answer);
        if ((answer.flags & NLM_F_MULTI) === 0) return found;
      }
    }
  }
}

/** Of a dump; a host on which every one is interrupted is told as it is. */
const mostTries = 10;
const NLM_F_MULTI = 0x2;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;
const EIO = 5;

/** An error of 0 is an acknowledgement. Behind the number stands the request, and behind that maybe a sentence. */
export function throwIfRefused({ payload, flags }: Answer): void {
  const errno = -(readNumber(payload, 0, 4) | 0);
  if (errno === 0) return;
  const requestLength = (flags & NLM_F_CAPPED) === 0 ? readNumber(payload, 4, 4) : 16;
  const sentence =
    (flags & NLM_F_ACK_TLVS) === 0
      ? undefined
      : decodeAttributes(payload.subarray(4 + ((requestLength + 3) & ~3))).get(NLMSGERR_ATTR_MSG);
  throw new RefusedError(errno, sentence === undefined ? undefined : readText(sentence).replace(/\.$/u, ''));
}
