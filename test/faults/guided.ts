/**
 * Fuzzing that is led by coverage, on demand: `npm run test:fuzz [SECONDS [SEED]]`. Inputs that reach code which none
 * before them reached are kept and changed further, so the fuzzer works its way into a reader by itself; V8 tells which
 * blocks ran. Exit status 1, and the input, when a reader throws what its callers do not expect, or takes too long.
 */
import { Session } from 'node:inspector/promises';
import { styleText } from 'node:util';
import { readQuery } from '../../src/agent/dns/read-query.ts';
import { readResponse } from '../../src/agent/dns/read-response.ts';
import { changesOf } from '../../src/agent/watch/nft-event.ts';
import { linkChangesOf } from '../../src/agent/watch/ip-event.ts';
import { CniError } from '../../src/cni/errors.ts';
import { parseRequest } from '../../src/cni/request.ts';
import { resultToWire } from '../../src/cni/result.ts';
import { declaringCommands } from '../../src/nft/group.ts';
import { compilePolicy } from '../../src/egress/compile.ts';
import { parsePluginConf } from '../../src/egress/conf.ts';
import { policyOf } from './policy-of.ts';
import { LinkEvents } from '../../src/host/netlink/link-event.ts';
import { decode } from '../../src/host/netlink/message.ts';
import { decodeRulesetEvent } from '../../src/host/netlink/nftables/event.ts';
import { parseListing } from '../../src/host/firewall/listing.ts';
import { dataText } from '../../src/nft/element.ts';
import { desired } from '../../src/records/desired.ts';
import { parseInterfaceConf } from '../../src/plugins/drawbridge/conf.ts';
import { readAttachment } from '../../src/records/parse.ts';
import { linkMessage, rulesetMessage } from '../host/netlink/messages.ts';
import { mapping, sample } from '../records/sample.ts';
import { pick, seeded } from './random.ts';
import { answerBytes, conf, egress, environment, expectPlain, queryBytes } from './seeds.ts';
import { spoilText } from './spoil.ts';

/** What reads input that somebody else wrote. Throws for what it accepts and should not have. */
interface Reader {
  readonly name: string;
  readonly seeds: readonly Buffer[];
  readonly read: (input: Buffer) => void;
  readonly isRefusal: (error: unknown) => boolean;
}

const isCniError = (error: unknown): boolean => error instanceof CniError && error.message !== '';
const isSyntax = (error: unknown): boolean => error instanceof SyntaxError;
const never = (): boolean => false;

const text = (value: unknown): Buffer => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

const readers: readonly Reader[] = [
  {
    name: 'stdin of a plugin',
    seeds: [
      text(conf),
      text({ cniVersion: '0.2.0', name: 'n', type: 'drawbridge', ipam: { type: 'host-local', subnet: '10.0.0.0/24' } }),
    ],
    read: (input) => {
      const request = parseRequest({ ...environment }, input.toString());
      if (!('id' in request)) return;
      if (request.prevResult !== undefined) resultToWire(request.prevResult, request.config.cniVersion);
      parseInterfaceConf(request, { defaultBridge: 'drawbridge0' });
    },
    isRefusal: isCniError,
  },
  {
    name: 'CNI_ARGS and names',
    seeds: [text(Object.values(environment).join('\n'))],
    read: (input) => {
      const values = input.toString().replaceAll('\0', '').split('\n');
      const env = Object.fromEntries(Object.keys(environment).map((key, at) => [key, values[at] ?? '']));
      parseRequest(env, JSON.stringify(conf));
    },
    isRefusal: isCniError,
  },
  {
    name: 'policy file',
    seeds: [text(egress), text({ mode: 'restricted' }), text({ mode: 'open', isolation: 'bridge', ingress: 'open' })],
    read: (input) => {
      const add = declaringCommands(compilePolicy(policyOf(input.toString())));
      for (const line of add) if (/\n.|flush ruleset/u.test(line.trimEnd())) throw new Error(`wrote ${line}`);
    },
    isRefusal: isCniError,
  },
  {
    name: 'conf of egress-policy',
    seeds: [text({ type: 'egress-policy', cniVersion: '1.1.0', name: 'net', ...egress, args: {} })],
    read: (input) => void parsePluginConf(JSON.parse(input.toString()) as Record<string, unknown>),
    isRefusal: (error) => isCniError(error) || isSyntax(error),
  },
  {
    name: 'record',
    seeds: [text(sample({ link: { ports: [mapping(8080, 80)], enforced: true } }))],
    read: (input) => {
      const { elements } = desired(readAttachment(JSON.parse(input.toString())));
      for (const { key, value: says = [] } of elements) [key, says].map(dataText).forEach(expectPlain);
    },
    isRefusal: (error) =>
      error instanceof TypeError || error instanceof RangeError || isCniError(error) || isSyntax(error),
  },
  { name: 'DNS query', seeds: [queryBytes], read: (input) => void readQuery(input), isRefusal: never },
  {
    name: 'DNS answer',
    seeds: [answerBytes],
    read: (input) => void readResponse(input),
    isRefusal: (error) => error instanceof Error && !/stack/iu.test(error.message),
  },
  {
    name: 'what iptables lists',
    seeds: [
      text(
        '-P FORWARD DROP\n-N X\n-A FORWARD -i docker0 ! -o docker0 -m comment --comment "a b" -j X\n-A X -j REJECT\n',
      ),
    ],
    read: (input) => void parseListing(input.toString()),
    isRefusal: never,
  },
  {
    name: 'what the kernel tells of changes',
    seeds: [
      Buffer.from(rulesetMessage({ kind: 'element', isRemoval: true, name: 'egress4', keys: [new Uint8Array(20)] })),
      Buffer.from(rulesetMessage({ kind: 'rule', isRemoval: true, family: 2, table: 'filter', name: 'FORWARD' })),
      Buffer.from(linkMessage({ index: 1, name: 'lo' })),
    ],
    read: (input) => {
      const links = new LinkEvents();
      for (const answer of decode(input)) {
        const [change, link] = [decodeRulesetEvent(answer), links.decode(answer)];
        if (change !== undefined) changesOf(change);
        if (link !== undefined) linkChangesOf(link);
      }
    },
    isRefusal: never,
  },
];

/** Milliseconds that one input may take. */
const longest = 2000;
/** Inputs between two looks at the coverage, which costs as much as many of them. */
const batch = 64;
/** Bytes. */
const largest = 8192;

const tokens = [
  '"',
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  'null',
  '-1',
  '0',
  '1e999',
  '\\u0000',
  '__proto__',
  '/0',
  '/33',
  '::',
  '%',
  '*',
  '.',
  '\n',
  ' ',
  '"mode"',
  '"allow"',
  '\xc0\x0c',
];

/** Characters; no file of ours has more. */
const longestSource = 1 << 17;

/** For each file of our source which of its characters ran: blocks themselves are cut differently from look to look. */
class Coverage {
  readonly #session: Session;
  readonly #seen = new Map<string, Uint8Array>();
  reached = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  /** What ran since the last look and never before, and from now on counts as seen. */
  async lookForNew(): Promise<Map<string, Set<number>>> {
    const fresh = new Map<string, Set<number>>();
    for (const [url, ran] of await this.#look()) {
      const seen = this.#seen.get(url) ?? new Uint8Array(longestSource);
      this.#seen.set(url, seen);
      const places = new Set<number>();
      ran.forEach((isRun, place) => {
        if (isRun === 1 && seen[place] !== 1) places.add(place);
      });
      for (const place of places) seen[place] = 1;
      if (places.size > 0) fresh.set(url, places);
      this.reached += places.size;
    }
    return fresh;
  }

  /** Whether some of these ran since the last look; they are taken out. */
  async takes(places: Map<string, Set<number>>): Promise<boolean> {
    let taken = false;
    for (const [url, ran] of await this.#look()) {
      for (const place of places.get(url) ?? []) {
        if (ran[place] === 1) taken = places.get(url)?.delete(place) === true || taken;
      }
    }
    return taken;
  }

  async #look(): Promise<Map<string, Uint8Array>> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage');
    const files = new Map<string, Uint8Array>();
    for (const { url, functions } of result.filter((script) => script.url.includes('/src/'))) {
      const length = Math.max(...functions.flatMap(({ ranges }) => ranges.map(({ endOffset }) => endOffset)));
      const ran = new Uint8Array(length);
      // Outer functions and blocks come before the inner ones, which say more.
      for (const { startOffset, endOffset, count } of functions.flatMap(({ ranges }) => ranges))
        ran.fill(count > 0 ? 1 : 0, startOffset, endOffset);
      files.set(url, ran);
    }
    return files;
  }
}

function change(input: Buffer, corpus: readonly Buffer[], random: () => number): Buffer {
  if (random() < 0.25) {
    try {
      return Buffer.from(spoilText(JSON.parse(input.toString()), random).slice(0, largest));
    } catch {}
  }
  let bytes = input;
  for (let times = 1 + Math.floor(random() * 5); times > 0; times--) bytes = changeOnce(bytes, corpus, random);
  return bytes.subarray(0, largest);
}

function changeOnce(input: Buffer, corpus: readonly Buffer[], random: () => number): Buffer {
  const at = Math.floor(random() * (input.length + 1));
  const to = Math.min(input.length, at + Math.floor(random() ** 3 * 40));
  const [head, middle, tail] = [input.subarray(0, at), input.subarray(at, to), input.subarray(to)];
  const kind = Math.floor(random() * 7);
  if (kind === 0) return Buffer.concat([head, tail]);
  if (kind === 1) return Buffer.concat([head, middle, middle, tail]);
  if (kind === 2) return Buffer.concat([head, Buffer.from(pick(tokens, random) ?? '', 'latin1'), tail]);
  if (kind === 3) return Buffer.concat([head, Buffer.from([Math.floor(random() * 256)]), tail]);
  if (kind === 4 && at < input.length) {
    const flipped = Buffer.from(input);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    return flipped;
  }
  const other = pick(corpus, random) ?? input;
  const from = Math.floor(random() * (other.length + 1));
  return Buffer.concat([head, other.subarray(from, from + Math.floor(random() * 60)), tail]);
}

/** The complaint about an input, undefined when the reader did what it should. */
function complaint({ read, isRefusal }: Reader, input: Buffer): string | undefined {
  const begin = performance.now();
  try {
    read(input);
  } catch (error) {
    if (!isRefusal(error)) return String((error as Error).stack);
  }
  const ms = performance.now() - begin;
  if (Object.keys(Object.prototype).length > 0) return 'the prototype of all objects was changed';
  return ms > longest ? `it took ${Math.round(ms)} ms` : undefined;
}

interface Outcome {
  readonly tried: number;
  readonly kept: number;
  /** Characters of source that ran, and those of them that the seeds reached. */
  readonly reached: number;
  readonly bySeeds: number;
  readonly found?: { readonly input: Buffer; readonly wrong: string };
}

async function fuzz(reader: Reader, coverage: Coverage, milliseconds: number): Promise<Outcome> {
  const corpus = [...reader.seeds];
  const before = coverage.reached;
  corpus.forEach((seed) => complaint(reader, seed));
  await coverage.lookForNew();
  const bySeeds = coverage.reached - before;
  const end = performance.now() + milliseconds;
  let tried = 0;
  const sum = () => ({ tried, kept: corpus.length - reader.seeds.length, reached: coverage.reached - before, bySeeds });
  while (performance.now() < end) {
    const inputs = Array.from({ length: batch }, () => change(pick(corpus, random) ?? Buffer.of(), corpus, random));
    for (const input of inputs) {
      tried++;
      const wrong = complaint(reader, input);
      if (wrong !== undefined) return { ...sum(), found: { input, wrong } };
    }
    const fresh = await coverage.lookForNew();
    if (fresh.size === 0) continue;
    for (const input of inputs) {
      complaint(reader, input);
      if (await coverage.takes(fresh)) corpus.push(input);
    }
  }
  return sum();
}

const seconds = Number(process.argv[2] ?? 180);
const random = seeded(Number(process.argv[3] ?? Date.now() % 1_000_000));
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
const coverage = new Coverage(session);
let total = 0;
for (const reader of readers) {
  const { tried, kept, reached, bySeeds, found } = await fuzz(reader, coverage, (seconds * 1000) / readers.length);
  total += tried;
  console.log(
    `${reader.name}: ${tried} inputs, ${kept} kept; reached ${reached} characters of source, ${bySeeds} by the seeds`,
  );
  if (found === undefined) continue;
  process.exitCode = 1;
  console.log(styleText('red', `  ${found.wrong}\n  input, base64: ${found.input.toString('base64')}`));
}
console.log(`${total} inputs led by coverage`);
