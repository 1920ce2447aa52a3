import { Resolver } from 'node:dns/promises';
import type { Answer } from './names-lifetimes.ts';

/** What the resolver said about one name. */
export interface Resolution {
  readonly name: string;
  /** Of both families, CNAMEs followed; the TTL is the shortest of the chain. */
  readonly answers: readonly Answer[];
  /** Families whose query got no answer, with the reason; a name without addresses of a family is an answer. */
  readonly failures: readonly { readonly family: 4 | 6; readonly why: string }[];
}

/** Milliseconds for all names together: ADD waits for this, and a runtime for ADD. */
const defaultDeadline = 3000;

/** Milliseconds until another server is tried. */
const timeoutPerTry = 900;

/**
 * Resolves names to all their addresses of both families, in parallel, within one deadline for all of them.
 *
 * `servers` are addresses with an optional port, as in `dns.upstream`; without any those of the host's
 * resolv.conf are asked. Queries go to the DNS and nowhere else: no hosts file, no search domains.
 * Never throws: a name that fails says so in its own result. One result for each name, in their order.
 */
export async function resolveNames(
  names: readonly string[],
  { servers = [], deadline = defaultDeadline }: { servers?: readonly string[]; deadline?: number } = {},
): Promise<Resolution[]> {
  if (names.length === 0) return [];
  const resolver = new Resolver({ timeout: timeoutPerTry, tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
    resolver.cancel();
  }, deadline);
  const waiting = names.entries();
  const found: Resolution[] = [];
  /** Takes names off the one list until it is empty. */
  const lane = async (): Promise<void> => {
    for (const [index, name] of waiting)
      found[index] = isOver ? unasked(name, deadline) : await resolveName(resolver, name, deadline);
  };
  try {
    await Promise.all(Array.from({ length: Math.min(lanes, names.length) }, lane));
    return found;
  } finally {
    clearTimeout(timer);
  }
}

/** Names under way at once: more than twice as many datagrams overrun the buffer of a socket, and wait for a retry. */
const lanes = 50;

function unasked(name: string, deadline: number): Resolution {
  const why = `no server answered within ${deadline} ms`;
  return {
    name,
    answers: [],
    failures: [
      { family: 4, why },
      { family: 6, why },
    ],
  };
}

async function resolveName(resolver: Resolver, name: string, deadline: number): Promise<Resolution> {
  const [four, six] = await Promise.all([
    query(async () => resolver.resolve4(name, { ttl: true }), deadline),
    query(async () => resolver.resolve6(name, { ttl: true }), deadline),
  ]);
  const failures: { family: 4 | 6; why: string }[] = [];
  if (four.why !== undefined) failures.push({ family: 4, why: four.why });
  if (six.why !== undefined) failures.push({ family: 6, why: six.why });
  return { name, answers: [...four.answers, ...six.answers], failures };
}

interface QueryResult {
  readonly answers: readonly Answer[];
  readonly why?: string;
}

async function query(ask: () => Promise<Answer[]>, deadline: number): Promise<QueryResult> {
  try {
    const answers = await ask();
    return { answers: withTtls(answers) };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    // Node tells "no such name" and "no address of this family" apart, Bun calls both ENOTFOUND.
    if (code === 'ENOTFOUND' || code === 'ENODATA') return { answers: [] };
    return { answers: [], why: reasons[code]?.(deadline) ?? code };
  }
}

/**
 * Node and Bun tell the TTL of the first 256 addresses alone. Records of one name and family have one TTL
 * (RFC 2181, section 5.2), so it is that of the others.
 */
function withTtls(answers: readonly { address: string; ttl?: number }[]): Answer[] {
  const known = answers.flatMap(({ ttl }) => (ttl === undefined || Number.isNaN(ttl) ? [] : [ttl]));
  const shortest = Math.min(...known, longestTtl);
  return answers.map(({ address, ttl = shortest }) => ({ address, ttl: Number.isNaN(ttl) ? shortest : ttl }));
}

/** Seconds; the longest that a TTL may be (RFC 2181, section 8). */
const longestTtl = 2 ** 31 - 1;

const reasons: Readonly<Record<string, (deadline: number) => string>> = {
  ESERVFAIL: () => 'the server failed (SERVFAIL)',
  EREFUSED: () => 'the server refused (REFUSED)',
  ECONNREFUSED: () => 'no server takes queries',
  ETIMEOUT: () => 'no server answered',
  ECANCELLED: (deadline) => `no server answered within ${deadline} ms`,
  EBADRESP: () => 'the server sent something that is not an answer',
};
