import { describe, expect, makeHost, test, type CniResult, type Container, type Host } from '../helpers/host.ts';
import { brokenAt, installStandIns, type Fault } from './broken-programs.ts';
import { attachmentsLeft, conflist, interfaceConf, isLong, locksLeft, options, outcome, prepare } from './network.ts';
import { sample, seeded } from './random.ts';
import { count } from './tally.ts';

/** Milliseconds after which a runtime would give up; every deadline of ours is shorter. */
const patience = 60_000;

/** An error object of the specification that says something. */
function isProper({ code, error }: CniResult): boolean {
  return (
    code === 1 &&
    typeof error?.['code'] === 'number' &&
    error['code'] > 0 &&
    typeof error['msg'] === 'string' &&
    error['msg'] !== ''
  );
}

/** After the cause is gone: nothing is left, and a new container is connected, checked and removed. */
async function recover(host: Host, container: Container): Promise<string[]> {
  const problems: string[] = [];
  const expectSuccess = (what: string, result: CniResult): void =>
    void (result.code === 0 || problems.push(`${what}: ${outcome(result)}`));
  expectSuccess('DEL', await host.delChain(conflist, { ...options(container), result: null }));
  problems.push(
    ...(await attachmentsLeft(host)).filter(
      (line) => !/\/(?:locks|listings|ports|addresses|shared|names)\//u.test(line),
    ),
  );
  const next = await host.container();
  expectSuccess('ADD', await host.addChain(conflist, options(next)));
  expectSuccess('CHECK', await host.checkChain(conflist, options(next)));
  expectSuccess('DEL', await host.delChain(conflist, options(next)));
  await next.remove();
  problems.push(
    ...(await attachmentsLeft(host)).filter((line) => !/\/(?:listings|ports|addresses|shared|names)\//u.test(line)),
    ...(await locksLeft(host)),
  );
  return problems;
}

interface Hung {
  readonly call: string | undefined;
  readonly result: CniResult;
  /** What was wrong when the cause was gone. */
  readonly problems: readonly string[];
}

/** An ADD whose program of this number hangs, on a host of its own: nobody else waits for a lock there. */
async function hangAt(at: number): Promise<Hung> {
  await using host = await makeHost();
  await prepare(host);
  await installStandIns(host);
  await host.takeBaseline();
  const container = await host.container();
  const { env, calls } = await brokenAt(host, at, 'hang');
  const result = await host.cni('ADD', interfaceConf, { container, env, timeout: patience });
  return { call: (await calls())[at], result, problems: await recover(host, container) };
}

describe('when a program goes wrong at any step', () => {
  const faults: readonly Fault[] = ['fail', 'half', 'killed', 'warn'];

  test.for(['ADD', 'CHECK', 'DEL', 'GC'] as const)(
    'of %s the error is proper and nothing is left',
    { timeout: isLong ? 1_200_000 : 240_000 },
    async (verb, { task }) => {
      await using host = await makeHost();
      await prepare(host);
      await installStandIns(host);
      await host.takeBaseline();
      const call = async (env: Record<string, string>, container: Container): Promise<CniResult> => {
        if (verb === 'ADD') return host.addChain(conflist, { ...options(container), env });
        if (verb === 'CHECK') return host.checkChain(conflist, { ...options(container), env });
        if (verb === 'DEL') return host.delChain(conflist, { ...options(container), env });
        return host.gcChain(conflist, [], { env });
      };
      const begin = async (): Promise<Container> => {
        const container = await host.container();
        if (verb !== 'ADD') expect(outcome(await host.addChain(conflist, options(container)))).toBe('code 0');
        return container;
      };
      const counted = await begin();
      const { env: counting, calls } = await brokenAt(host, -1, '');
      // Both plugins of the chain count on in the same folder.
      expect(outcome(await call(counting, counted))).toBe('code 0');
      const lines = await calls();
      expect(await recover(host, counted)).toEqual([]);
      const all = lines.flatMap((line, at) => faults.map((how) => ({ line, at, how })));
      const tried = isLong ? all : sample(all, { ADD: 14, CHECK: 4, DEL: 8, GC: 3 }[verb], seeded(8));
      const failures: string[] = [];
      let refused = 0;
      for (const { line, at, how } of tried) {
        const container = await begin();
        const { env } = await brokenAt(host, at, how);
        const result = await call(env, container);
        if (result.code !== 0) refused++;
        if (result.code !== 0 && !isProper(result)) failures.push(`${how} "${line}": ${outcome(result)}`);
        if (how === 'warn' && result.code !== 0) failures.push(`${how} "${line}": ${outcome(result)}`);
        failures.push(...(await recover(host, container)).map((problem) => `${how} "${line}", afterwards: ${problem}`));
        await container.remove();
      }
      console.log(`${verb}: ${lines.length} programs run, ${tried.length} faults injected, ${refused} refused`);
      count({ task }, { 'programs that failed, broke half way, were killed or warned': tried.length });
      expect(failures).toEqual([]);
    },
  );

  test(
    'it is killed at its deadline when it hangs, and ADD fails',
    { timeout: isLong ? 1_800_000 : 300_000 },
    async ({ host, task }) => {
      await prepare(host);
      await installStandIns(host);
      const { env, calls } = await brokenAt(host, -1, '');
      const whole = await host.cni('ADD', interfaceConf, { container: await host.container(), env });
      expect(outcome(whole)).toBe('code 0');
      const numbers = (await calls()).map((_, at) => at);
      const rest = isLong ? [...numbers] : sample(numbers.slice(0, 7), 2, seeded(9));
      const hung: Hung[] = [];
      const worker = async (): Promise<void> => {
        for (let at = rest.shift(); at !== undefined; at = rest.shift()) hung.push(await hangAt(at));
      };
      await Promise.all(Array.from({ length: 4 }, worker));
      for (const { call, problems, result } of hung) {
        expect(isProper(result), `"${call}" hung: ${outcome(result)}`).toBe(true);
        expect(result.ms, call).toBeLessThan(patience);
        expect(problems, call).toEqual([]);
      }
      const longest = Math.max(...hung.map(({ result }) => result.ms));
      console.log(`${hung.length} programs hung, longest ADD ${Math.round(longest)} ms`);
      count({ task }, { 'programs that hung': hung.length, 'longest ADD with a program that hangs, ms': longest });
    },
  );

  test.for(['ip', 'nft', 'nsenter'])(
    '"%s" is missing: the error says so, and nothing is left',
    async (program, { host }) => {
      await prepare(host);
      const container = await host.container();
      await host.sh(
        `for f in /usr/sbin/${program} /usr/bin/${program}; do [ ! -e $f ] || mount --bind /dev/null $f; done`,
      );
      const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DRAWBRIDGE_CHILDREN: '1' };
      const added = await host.cni('ADD', interfaceConf, { container, env });
      expect(isProper(added), outcome(added)).toBe(true);
      expect(JSON.stringify(added.error)).toContain(program);
      await host.sh(`for f in /usr/sbin/${program} /usr/bin/${program}; do umount $f 2>/dev/null || true; done`);
      expect(await recover(host, container)).toEqual([]);
    },
  );
});

describe('when a folder cannot be written', () => {
  const folders = ['/run/drawbridge', '/var/lib/cni', '/var/lib/drawbridge'] as const;
  const causes = {
    full: (folder: string) =>
      `mount -t tmpfs -o size=4k,nr_inodes=3 tmpfs ${folder}; touch ${folder}/1 ${folder}/2 2>/dev/null || true`,
    'read-only': (folder: string) => `mount -t tmpfs -o ro tmpfs ${folder}`,
    'a file': (folder: string) => `touch /opt/file; rmdir ${folder}; touch ${folder}`,
  };

  for (const folder of folders) {
    for (const [cause, script] of Object.entries(causes)) {
      test(`"${folder}" is ${cause}: ADD fails with code 5 or works, and nothing is left`, async ({ host }) => {
        await prepare(host);
        const container = await host.container();
        await host.sh(`mkdir -p ${folder}; ${script(folder)}`);
        const added = await host.addChain(conflist, options(container));
        if (added.code !== 0) expect(added.error?.['code'], outcome(added)).toBe(5);
        const deleted = await host.delChain(conflist, { ...options(container), result: null });
        if (deleted.code !== 0) expect(isProper(deleted), outcome(deleted)).toBe(true);
        await host.sh(cause === 'a file' ? `rm ${folder}; mkdir ${folder}` : `umount ${folder}`);
        expect(await recover(host, container)).toEqual([]);
      });
    }
  }

  test('"/run/drawbridge" becomes full in the middle of an attachment\'s life: DEL still takes its links and rules away', async ({
    host,
  }) => {
    await prepare(host);
    await host.sh('mkdir -p /run/drawbridge; mount -t tmpfs -o size=256k tmpfs /run/drawbridge');
    const container = await host.container();
    expect(outcome(await host.addChain(conflist, options(container)))).toBe('code 0');
    await host.sh('head -c 1M /dev/zero > /run/drawbridge/fill 2>/dev/null || true');
    expect((await host.leftovers()).some((line) => line.startsWith('+ link veth'))).toBe(true);
    const deleted = await host.delChain(conflist, options(container));
    await host.sh('rm /run/drawbridge/fill');
    if (deleted.code !== 0)
      expect(outcome(await host.delChain(conflist, { ...options(container), result: null }))).toBe('code 0');
    expect((await attachmentsLeft(host)).filter((line) => !line.includes('/shared/'))).toEqual([]);
  });
});

describe('what somebody else did to the files', () => {
  test.for([
    ['cut short', 'truncate -s 100 FILE'],
    ['empty', ': > FILE'],
    ['not JSON', 'echo hello > FILE'],
    ['of another version', `sed -i 's/"version": 1/"version": 99/' FILE`],
    ["another one's", `sed -i 's/"containerId": "[^"]*"/"containerId": "somebody"/' FILE`],
    ['a folder', 'rm FILE; mkdir FILE'],
    ['gone', 'rm FILE'],
  ] as const)(
    'to a record that is %s: DEL leaves nothing, and others are as they were',
    async ([, script], { host }) => {
      await prepare(host);
      const [spoiled, other] = [await host.container(), await host.container()];
      expect(outcome(await host.addChain(conflist, options(spoiled)))).toBe('code 0');
      const file = (await host.sh('ls /run/drawbridge/attachments/*.json')).trim();
      expect(outcome(await host.addChain(conflist, { container: other }))).toBe('code 0');
      await host.sh(script.replaceAll('FILE', file));
      const deleted = await host.delChain(conflist, options(spoiled));
      if (script.includes('mkdir')) await host.sh(`rmdir ${file} 2>/dev/null || true`);
      if (deleted.code !== 0) expect(isProper(deleted), outcome(deleted)).toBe(true);
      expect(outcome(await host.delChain(conflist, options(spoiled)))).toBe('code 0');
      expect(outcome(await host.checkChain(conflist, { container: other }))).toBe('code 0');
      expect(outcome(await host.delChain(conflist, { container: other }))).toBe('code 0');
      expect(outcome(await host.gcChain(conflist, []))).toBe('code 0');
      expect((await attachmentsLeft(host)).filter((line) => !/\/listings\//u.test(line))).toEqual([]);
    },
  );

  test('to the leases: foreign files stay, empty ones do not use up the pool (plugins#498)', async ({ host }) => {
    await prepare(host);
    const small = { ...interfaceConf, ipam: { type: 'host-local', ranges: [[{ subnet: '10.9.0.0/29' }]] } };
    await host.sh(`
      mkdir -p /var/lib/cni/networks/drawbridge; cd /var/lib/cni/networks/drawbridge
      touch README 10.9.0.2 10.9.0.3 10.9.0.4 10.9.0.5 10.9.0.6 lock; mkdir 10.9.0.99 folder; mkfifo fd00::1; touch -d -1hour 10.9.0.*`);
    const container = await host.container();
    expect(outcome(await host.cni('ADD', small, { container }))).toBe('code 0');
    expect(outcome(await host.cni('DEL', small, { container, netns: '' }))).toBe('code 0');
    expect(
      await host.sh('ls -d /var/lib/cni/networks/drawbridge/README /var/lib/cni/networks/drawbridge/10.9.0.99 | wc -l'),
    ).toBe('2\n');
  });

  test('to the network: a bridge of the name that is no bridge is refused and left alone', async ({ host }) => {
    await prepare(host);
    await host.sh('ip link add drawbridge0 type veth peer name other0');
    await host.takeBaseline();
    const container = await host.container();
    const added = await host.cni('ADD', interfaceConf, { container });
    expect(isProper(added), outcome(added)).toBe(true);
    expect(added.error?.['msg']).toMatch(/drawbridge0.*(?:bridge|veth)/u);
    expect((await attachmentsLeft(host)).filter((line) => !line.includes('/locks/'))).toEqual([]);
  });

  test("to the addresses: a requested one that somebody has is refused, with the holder's name", async ({ host }) => {
    await prepare(host);
    const [one, two] = [await host.container(), await host.container()];
    const conf = { ...interfaceConf, runtimeConfig: { ips: ['10.88.0.77'] } };
    expect(outcome(await host.cni('ADD', conf, { container: one }))).toBe('code 0');
    const refused = await host.cni('ADD', conf, { container: two });
    expect(refused.error).toMatchObject({ code: 102, msg: expect.stringContaining(one.name) });
    expect(outcome(await host.cni('DEL', conf, { container: one }))).toBe('code 0');
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('to the namespace: it vanishes in the middle of ADD, and nothing is left', async ({ host }) => {
    await prepare(host);
    await installStandIns(host);
    await host.takeBaseline();
    for (let at = 0; at < (isLong ? 14 : 6); at++) {
      const container = await host.container();
      const { env } = await brokenAt(host, -1, '');
      const vanish = host.sh(
        `n=0; until [ -e ${env['FAULT_CALLS']}/${at} ] || [ $n -gt 400 ]; do n=$((n + 1)); sleep 0.01; done; umount -l ${container.netns}; rm -f ${container.netns}`,
      );
      const added = await host.cni('ADD', interfaceConf, { container, env });
      await vanish;
      if (added.code !== 0) expect(isProper(added), outcome(added)).toBe(true);
      expect(await recover(host, container)).toEqual([]);
    }
  });
});

describe('when a runtime calls one plugin of the chain only', () => {
  test('a DEL of the interface plugin alone removes the policy too: the error of another plugin strands nothing', async ({
    host,
  }) => {
    await prepare(host);
    const container = await host.container();
    const added = await host.addChain(conflist, options(container));
    expect(outcome(added)).toBe('code 0');
    expect(
      outcome(await host.cni('DEL', { ...interfaceConf, prevResult: added.result }, { container, netns: '' })),
    ).toBe('code 0');
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('a DEL of the policy plugin alone lets nothing out and is made whole by the next DEL', async ({ host }) => {
    const outside = await prepare(host);
    const server = await host.serve(outside, { proto: 'udp', address: '10.99.0.1' });
    const container = await host.container();
    expect(outcome(await host.addChain(conflist, options(container)))).toBe('code 0');
    expect(outcome(await host.delChain({ ...conflist, plugins: conflist.plugins.slice(1) }, options(container)))).toBe(
      'code 0',
    );
    await host.fetch(container, '10.99.0.1', server.port, { proto: 'udp', timeout: 200 });
    expect(await server.peers()).toEqual([]);
    expect(outcome(await host.delChain(conflist, { ...options(container), result: null }))).toBe('code 0');
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});
