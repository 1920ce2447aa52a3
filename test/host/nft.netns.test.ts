/** Programs of other versions, played by stand-ins that answer as those do, and hosts that lack what nft looks up. */
import { executable } from '../helpers/executable.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';
import { lastingRules } from '../helpers/lasting-rules.ts';
import { startAgent, until } from '../agent/process/agent.ts';
import { attach } from '../agent/process/network.ts';
import { attachmentsLeft, expectFailure, interfaceConf, succeeded } from '../plugins/drawbridge/network.ts';

const policy = { mode: 'allowlist', allow: ['8.8.8.8:80', '198.51.100.0/24'], deny: ['[2001:db8::1]'] };
const path = '/run/other:/usr/sbin:/usr/bin:/sbin:/bin';
const env = { PATH: path, LC_ALL: 'C' };

/** Puts a script in place of nft, first in {@link path}. */
async function standIn(host: Host, script: string): Promise<void> {
  await host.sh('mkdir -p /run/other; cat > /run/other/nft; chmod +x /run/other/nft', {
    input: `#!/bin/sh\n${script}\nexec /usr/sbin/nft "$@"\n`,
  });
}

/** Lists the rules and loads what was listed, as a host does that saves its rules. */
async function loadBack(host: Host): Promise<{ before: string; after: string }> {
  // Without /etc/protocols nft lists the protocol of a "ct timeout" as a number, and takes a name alone (docs/limits).
  const list = async (): Promise<string> =>
    (await host.run(['nft', '--stateless', 'list', 'ruleset'])).replaceAll(/^(\s+protocol) 6$/gm, '$1 tcp');
  const before = await list();
  await host.sh('cat > /run/saved.nft; nft flush ruleset; nft -f /run/saved.nft', { input: before });
  return { before, after: await list() };
}

describe('with an nft that reads no socket, as 1.0.9 and 0.9.8', () => {
  const refusing = '[ ! -S /dev/stdin ] || { echo "/dev/stdin: Error: Not a regular file" >&2; exit 1; }';

  test('the stand-in refuses a socket and takes a file', async ({ host }) => {
    await standIn(host, refusing);
    const python = `import socket,subprocess,sys; a,b=socket.socketpair(); b.sendall(b'add table inet x'); b.close(); sys.exit(subprocess.run(['/run/other/nft','-f','-'],stdin=a).returncode)`;
    expect((await host.exec(['python3', '-c', python])).code).not.toBe(0);
    await host.sh('echo "add table inet x" > /run/x; /run/other/nft -f - < /run/x');
  });

  test('the command line works, and the agent repairs', async ({ host }) => {
    await standIn(host, refusing);
    const { container } = await attach(host, policy);
    const agent = await startAgent(host, [], { PATH: path });
    await host.run(['nft', 'flush', 'ruleset']);
    await until(async () => (await host.fetch(container, '8.8.8.8', 80)) === 'hello');
    expect((await agent.log()).filter(({ level }) => level === 'error')).toEqual([]);
    expect(await host.run([executable, 'clean'], { env })).toContain('Nothing');
    const { stdout } = await host.exec([executable, 'doctor'], { env });
    expect(stdout).toMatch(/All \d+ checks passed/);
  });
});

describe('with an nft that does not understand our rules, as 0.9.8', () => {
  const old = `case "$*" in --version) echo "nftables v0.9.8 (E.D.S.)"; exit 0 ;; esac
for n in $(seq 100); do
  echo "/dev/stdin:$n:23-38: Error: syntax error, unexpected string, expecting type" >&2
  echo "    reject with icmpx admin-prohibited" >&2
done
exit 1`;
  const sentence =
    'Cannot write rules: "/run/other/nft" is nft 0.9.8 and does not understand them; 1.0.6 or later is needed';

  test('ADD fails with one sentence and code 100, and STATUS says it with code 50', async ({ host }) => {
    await standIn(host, old);
    const container = await host.container();
    const added = await host.cni('ADD', interfaceConf(), { container, env });
    expectFailure(added, 100, /./);
    expect(added.error?.['msg']).toContain(sentence);
    expect(added.stdout.length).toBeLessThan(700);
    const status = await host.cni('STATUS', interfaceConf(), { env });
    expectFailure(status, 50, /./);
    expect(status.error?.['msg']).toBe(
      sentence.replace('Cannot write rules', 'Cannot add containers: Cannot write rules'),
    );
    succeeded(await host.cni('DEL', interfaceConf(), { container }));
  });
});

// What the kernel answers then is tested with kernels that lack each (test/kernels/inside/lacking.sh).
describe('with a kernel that lacks a module', () => {
  const lacking = (words: string): string => `case "$*" in *-f*) ;; *) exec /usr/sbin/nft "$@" ;; esac
cat > /run/text.$$
if grep -qE '${words}' /run/text.$$; then
  echo "/dev/stdin:3:5-8: Error: Could not process rule: No such file or directory" >&2
  exit 1
fi
exec /usr/sbin/nft "$@" < /run/text.$$`;

  test.for([
    ['nft_connlimit', 'ct count', '"nft_connlimit"', 'modprobe -a nft_connlimit"'],
    ['nft_log', '(^| )log ', '"nft_log"', 'modprobe -a nft_log"'],
    ['nfnetlink_log', 'log group', '"nfnetlink_log"', 'modprobe -a nfnetlink_log"'],
    [
      'nft_fib_inet and nft_chain_nat',
      'type nat|fib daddr',
      '"nft_fib_inet", nor "nft_chain_nat"',
      'modprobe -a nft_fib_inet nft_chain_nat"',
    ],
  ])('ADD and STATUS name %s, and nothing is left', async ([, words = '', names, remedy = ''], { host }) => {
    await standIn(host, lacking(words));
    const container = await host.container();
    const sentence = `Cannot write rules: the kernel has no module ${names}`;
    const conf = interfaceConf({ egress: {} });
    const added = await host.cni('ADD', conf, { container, env });
    expectFailure(added, 100, /./);
    expect(added.error?.['msg']).toBe(sentence);
    expect(added.error?.['details']).toContain(remedy);
    const status = await host.cni('STATUS', conf, { env });
    expectFailure(status, 50, /./);
    expect(status.error?.['msg']).toBe(`Cannot add containers: ${sentence}`);
    // Doctor looks at what every container needs.
    if (words === 'ct count') return;
    const doctor = await host.exec([executable, 'doctor', '--json'], { env });
    expect(JSON.parse(doctor.stdout)).toContainEqual(expect.objectContaining({ severity: 'problem', found: sentence }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('that a quota needs, a policy with one is refused by both, and one without is not', async ({ host }) => {
    await standIn(host, lacking('quota over'));
    const [free, bounded] = [await host.container(), await host.container()];
    const withQuota = interfaceConf({ egress: { quota: { bytes: '1GB', per: 'day' } } });
    const without = interfaceConf({ egress: {} });
    succeeded(await host.cni('STATUS', without, { env }));
    succeeded(await host.cni('ADD', without, { container: free, env }));
    expectFailure(await host.cni('STATUS', withQuota, { env }), 50, /"nft_quota"/);
    expectFailure(await host.cni('ADD', withQuota, { container: bounded, env }), 100, /"nft_quota"/);
  });

  test('of which no rule is known, they say what nft says', async ({ host }) => {
    await standIn(host, lacking('table bridge'));
    const container = await host.container();
    const said = { msg: 'Cannot write rules: the kernel lacks a part of nf_tables', details: /Could not process rule/ };
    const added = await host.cni('ADD', interfaceConf(), { container, env });
    expectFailure(added, 100, /./);
    const status = await host.cni('STATUS', interfaceConf(), { env });
    expectFailure(status, 50, /./);
    for (const { error } of [added, status]) {
      expect(error?.['msg']).toContain(said.msg);
      expect(error?.['details']).toMatch(said.details);
    }
  });
});

describe('on a host without /etc/protocols', () => {
  const conf = {
    ...interfaceConf({
      egress: { mode: 'restricted', allowPrivate: ['192.168.2.0/24/icmp', '10.9.0.0/16:80/sctp'] },
    }),
    runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
  };

  test('a container with a policy and ports is added, checked, found whole, and removed', async ({ host }) => {
    await host.sh('mount --bind /dev/null /etc/protocols');
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', conf, { container }));
    succeeded(await host.cni('CHECK', { ...conf, prevResult: result }, { container }));
    expect(await host.run([executable, 'clean', '--dry-run'])).toContain('Nothing');
    expect(await host.run(['nft', 'list', 'map', 'inet', 'drawbridge', 'published4'])).toMatch(/6 \. 8080/);
    succeeded(await host.cni('DEL', conf, { container }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('every rule is loaded back as it was listed', async ({ host }) => {
    await host.sh('mount --bind /dev/null /etc/protocols');
    succeeded(await host.cni('ADD', conf, { container: await host.container() }));
    const { before, after } = await loadBack(host);
    expect(before).toContain('guard_nd');
    expect(lastingRules(after)).toBe(lastingRules(before));
  });
});

test('the rules of containers with policies and ports are loaded back as they were listed', async ({ host }) => {
  await attach(host, policy);
  const conf = {
    ...interfaceConf({
      egress: { mode: 'allowlist', allow: ['1.1.1.1:853/tcp', 'icmp.example:443'], hostAccess: 'all' },
    }),
    runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'sctp' }] },
  };
  succeeded(await host.cni('ADD', conf, { container: await host.container() }));
  const { before, after } = await loadBack(host);
  expect(before).toMatch(/guard_nd \{[^}]*elements = /);
  expect(lastingRules(after)).toBe(lastingRules(before));
});

test('doctor warns of a second nft of another version', async ({ host }) => {
  const run = async (): Promise<string> => (await host.exec([executable, 'doctor'], { env })).stdout;
  expect(await run()).not.toContain('several versions');
  await standIn(host, 'case "$*" in --version) echo "nftables v9.9.9 (Nobody)"; exit 0 ;; esac');
  expect(await run()).toMatch(
    /nft is installed in several versions: "\/run\/other\/nft" is 9\.9\.9,\s+"\/usr\/sbin\/nft" is\s+\d/,
  );
});
