import { describe, expect, makeHost, test, type CniResult, type Container, type Host } from '../helpers/host.ts';
import { findPoints, injectError, installKillers, type Call } from './kill-points.ts';
import { attachmentsLeft, conflist, interfaceConf, isLong, locksLeft, options, outcome, prepare } from './network.ts';
import { sample, seeded } from './random.ts';
import { count } from './tally.ts';

/**
 * Calls that change files or speak to the kernel, and what each can fail with whoever runs it: strace answers in the
 * kernel's place, since root is refused nothing by modes, and a full or read-only disk at one moment of a run cannot be
 * had otherwise.
 */
const failures: Readonly<Record<string, readonly string[]>> = {
  mkdir: ['ENOSPC', 'EROFS', 'EACCES'],
  rename: ['ENOSPC', 'EROFS', 'EACCES'],
  link: ['ENOSPC', 'EROFS', 'EACCES'],
  unlink: ['EROFS', 'EACCES'],
  rmdir: ['EROFS', 'EACCES'],
  utimensat: ['EROFS', 'EACCES'],
  ftruncate: ['ENOSPC', 'EIO'],
  sendto: ['ENOBUFS', 'EPERM'],
};

const sampled = { ADD: 10, CHECK: 3, DEL: 8, GC: 3 } as const;

const hosts = isLong ? 3 : 2;

describe('when a call of the system fails at any step', () => {
  test.for(['ADD', 'CHECK', 'DEL', 'GC'] as const)(
    'of %s, the error is proper or the call succeeds, and nothing is left',
    { timeout: isLong ? 2_400_000 : 240_000 },
    async (verb, { task }) => {
      const all = await pointsOf(verb);
      const jobs = isLong ? [...all] : sample(all, sampled[verb], seeded(8));
      const tried = jobs.length;
      const problems: string[] = [];
      let refused = 0;
      await Promise.all(
        Array.from({ length: hosts }, async () => {
          await using host = await makeHost();
          await equip(host);
          for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
            const { name, n, error } = job;
            const container = await begin(host, verb);
            const result = await injectError(host, { name, n, error }, callOf(verb, container));
            if (result.code !== 0) refused++;
            if (result.code !== 0 && !isProper(result)) problems.push(`${name} ${n} ${error}: ${outcome(result)}`);
            const after = await recover(host, container);
            problems.push(...after.map((problem) => `${name} ${n} ${error}, afterwards: ${problem}`));
          }
        }),
      );
      console.log(`${verb}: ${all.length} errors of system calls, ${tried} tried, ${refused} refused`);
      count({ task }, { 'system calls that failed (ENOSPC, EROFS, EACCES, EIO, ENOBUFS, EPERM)': tried });
      expect(problems).toEqual([]);
    },
  );
});

type Verb = keyof typeof sampled;

async function equip(host: Host): Promise<void> {
  await prepare(host);
  await installKillers(host);
  await host.takeBaseline();
}

async function pointsOf(verb: Verb): Promise<{ name: string; n: number; error: string }[]> {
  await using host = await makeHost();
  await equip(host);
  const container = await begin(host, verb);
  const { result, points } = await findPoints(host, callOf(verb, container));
  expect(outcome(result)).toBe('code 0');
  return points.flatMap((point) =>
    point.kind === 'call' ? (failures[point.name] ?? []).map((error) => ({ name: point.name, n: point.n, error })) : [],
  );
}

/** A container, attached unless the call is what attaches it. */
async function begin(host: Host, verb: Verb): Promise<Container> {
  const container = await host.container();
  if (verb !== 'ADD') expect(outcome(await host.addChain(conflist, options(container)))).toBe('code 0');
  return container;
}

function callOf(verb: Verb, container: Container): Call {
  const conf = { ...interfaceConf, ...(verb === 'CHECK' ? { prevResult: resultOf(container) } : {}) };
  if (verb === 'GC') return { verb, conf: { ...conf, 'cni.dev/valid-attachments': [] }, options: {} };
  return { verb, conf: { ...conf, runtimeConfig: options(container).runtimeConfig }, options: { container } };
}

/** CHECK needs a result; what it says of the container's own interface has to be what ADD said. */
function resultOf(container: Container): object {
  return {
    cniVersion: conflist.cniVersion,
    interfaces: [{ name: 'eth0', sandbox: container.netns }],
    ips: [],
    routes: [],
  };
}

function isProper({ code, error }: CniResult): boolean {
  const number = error?.['code'] as unknown;
  return code === 1 && typeof number === 'number' && number > 0 && String(error?.['msg'] ?? '') !== '';
}

/** The cause is gone: a DEL leaves nothing, and the next container is connected, checked and removed. */
async function recover(host: Host, container: Container): Promise<string[]> {
  const problems: string[] = [];
  const expectSuccess = (what: string, result: CniResult): void =>
    void (result.code === 0 || problems.push(`${what}: ${outcome(result)}`));
  expectSuccess('DEL', await host.delChain(conflist, { ...options(container), result: null }));
  await container.remove();
  const next = await host.container();
  expectSuccess('ADD', await host.addChain(conflist, options(next)));
  expectSuccess('CHECK', await host.checkChain(conflist, options(next)));
  expectSuccess('DEL', await host.delChain(conflist, options(next)));
  await next.remove();
  await host.sh('find /run/drawbridge -type f -exec touch -d -1hour {} +');
  expectSuccess('GC', await host.gcChain(conflist, []));
  const left = (await attachmentsLeft(host)).filter((line) => !/\/\.drawbridge-[0-9a-f]{16}$/u.test(line));
  return [...problems, ...left, ...(await locksLeft(host))];
}
