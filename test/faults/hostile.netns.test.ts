import { describe, expect, test, type Host, type Json } from '../helpers/host.ts';
import { attachmentsLeft, conflist, interfaceConf, isLong, options, outcome, prepare } from './network.ts';
import { seeded } from './random.ts';
import { nasty, spoilText } from './spoil.ts';
import { count } from './tally.ts';

/** What must survive every input: a table that `flush ruleset` would take, and a file that a shell would remove. */
async function layBait(host: Host): Promise<void> {
  await host.sh('nft add table inet bait; echo bait > /opt/bait; mkdir -p /opt/outside; touch /opt/stamp; sleep 0.02');
  await host.takeBaseline();
}

/**
 * What happened that no input may bring about. A bridge may have whatever name the conf gives it: the kernel takes it
 * as data.
 */
async function damage(host: Host): Promise<string[]> {
  const { stdout } = await host.exec([
    'sh',
    '-c',
    `nft list table inet bait >/dev/null 2>&1 || echo the table is gone
     [ -f /opt/bait ] || echo the file is gone
     nft list tables | grep -Ev '(inet|bridge|ip|ip6) drawbridge$|inet bait$'
     for link in /sys/class/net/*; do [ -d "$link/bridge" ] || echo "\${link##*/}"; done | grep -Ev '^(lo|eth0|veth[0-9a-f]{11})$'
     find /etc /var/lib /run /opt /tmp -xdev -newer /opt/stamp -type f -user root 2>/dev/null | grep -Ev '^/(run|var/lib)/drawbridge/|^/var/lib/cni/networks/[A-Za-z0-9][A-Za-z0-9_.-]*/|^/run/(netns|upper|work)/|^/tmp/'
     true`,
  ]);
  return stdout.split('\n').filter((line) => line !== '');
}

describe('hostile input to the executable', () => {
  test(
    'never crashes it, never hangs it, never becomes a command and never makes a file elsewhere',
    { timeout: isLong ? 1_200_000 : 120_000 },
    async ({ host, task }) => {
      await prepare(host);
      await layBait(host);
      const random = seeded(8);
      const container = await host.container();
      const conf = {
        ...interfaceConf,
        egress: { mode: 'restricted', allow: ['203.0.113.0/24'] },
        args: { cni: {} },
        runtimeConfig: options(container).runtimeConfig,
      };
      const total = isLong ? 2000 : 120;
      const failures: string[] = [];
      let accepted = 0;
      for (let number = 0; number < total; number++) {
        const stdin = spoilText(conf, random).toWellFormed();
        const verb = ['ADD', 'ADD', 'CHECK', 'GC', 'STATUS'][Math.floor(random() * 5)] ?? 'ADD';
        const strange = nasty(random);
        const env =
          random() < 0.3 &&
          typeof strange === 'string' &&
          strange.length < 1000 &&
          !strange.includes('\0') &&
          strange.isWellFormed()
            ? { [['CNI_CONTAINERID', 'CNI_IFNAME', 'CNI_ARGS', 'CNI_NETNS'][number % 4] ?? '']: strange }
            : {};
        const { code, error, stdout, timedOut } = {
          timedOut: false,
          ...(await host.cni(verb, stdin, { container, env, timeout: 15_000 })),
        };
        if (code === 0) accepted++;
        if (
          timedOut ||
          code < 0 ||
          (code !== 0 &&
            (typeof error?.['code'] !== 'number' || error['code'] <= 0 || typeof error['msg'] !== 'string'))
        )
          failures.push(`${verb} ${JSON.stringify(env)} ${stdin.slice(0, 500)}: code ${code} ${stdout.slice(0, 300)}`);
        if (code === 0 && verb === 'ADD') {
          await host.cni('DEL', stdin, { container, env });
          await host.cni('DEL', conf, { container });
        }
      }
      expect(failures).toEqual([]);
      expect(await damage(host)).toEqual([]);
      console.log(`${total} inputs to the executable, ${accepted} of them accepted`);
      count({ task }, { 'hostile inputs to the executable': total });
    },
  );

  test.for([
    ['container id', { CNI_CONTAINERID: '../../../opt/outside/x' }, 4],
    ['container id with a line break', { CNI_CONTAINERID: 'a\nflush ruleset' }, 4],
    ['interface name', { CNI_IFNAME: 'x;flush' }, 0],
    ['interface name with quotes', { CNI_IFNAME: '"};flush' }, 4],
    ['interface name that ends a batch line', { CNI_IFNAME: 'e0\nlink del lo' }, 4],
    ['interface name that is an option', { CNI_IFNAME: '-batch' }, 0],
    [
      'CNI_ARGS',
      { CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=";flush ruleset;#;K8S_POD_NAMESPACE=$(touch /opt/outside/x)' },
      0,
    ],
    ['namespace path', { CNI_NETNS: '/run/netns/c1\n; flush ruleset' }, 8],
    ['namespace path that leads to the host', { CNI_NETNS: '/run/netns/../../proc/self/ns/net' }, 8],
    ['container id that every object has', { CNI_CONTAINERID: 'constructor' }, 0],
    ['container id that is no own key', { CNI_CONTAINERID: '__proto__' }, 4],
    ['policy that CNI_ARGS ask for', { CNI_ARGS: 'IgnoreUnknown=1;EGRESS_POLICY=../../../../opt/secret' }, 7],
  ] as const)('as %s is refused or is data', async ([, env, code], { host }) => {
    await prepare(host);
    await layBait(host);
    const container = await host.container();
    const conf = { ...interfaceConf, egress: { mode: 'restricted' } };
    const added = await host.cni('ADD', conf, { container, env });
    if (code !== 0) expect(added.error?.['code'], outcome(added)).toBe(code);
    const deleted = await host.cni('DEL', conf, { container, env });
    if (added.code === 0) expect(outcome(deleted)).toBe('code 0');
    expect(await damage(host)).toEqual([]);
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test.for([
    ['network name', { name: '../../../opt/outside' }],
    ['bridge name', { bridge: '../x' }],
    ['bridge name that is a command', { bridge: '";flush' }],
    ['policy name', { egress: { policy: '../../../../opt/secret' } }],
    ['ipam type', { ipam: { type: '../../../../bin/sh' } }],
    [
      'policy that a label asks for',
      {
        egress: { mode: 'restricted', selectable: ['web'] },
        args: { cni: { labels: [{ key: 'drawbridge/egress-policy', value: '../../../../opt/secret' }] } },
      },
    ],
    [
      'policy that an annotation asks for',
      {
        egress: { mode: 'restricted', selectable: ['web'] },
        runtimeConfig: {
          'io.kubernetes.cri.pod-annotations': { 'drawbridge/egress-policy': '../../../../opt/secret' },
        },
      },
    ],
  ] as const)('as %s is refused before anything is touched', async ([, change], { host }) => {
    await prepare(host);
    await layBait(host);
    await host.sh(`echo '{"mode":"open"}' > /opt/secret.json; touch -d -1hour /opt/secret.json`);
    await host.takeBaseline();
    const added = await host.cni('ADD', { ...interfaceConf, ...change } as Json, { container: await host.container() });
    expect(added.error, outcome(added)).toBeDefined();
    expect(await damage(host)).toEqual([]);
    expect((await attachmentsLeft(host)).filter((line) => !line.includes('/locks/'))).toEqual([]);
  });

  test.for(['constructor', 'toString', 'valueOf', 'hasOwnProperty'])(
    'as a network that is called "%s" is a network like any other',
    async (name, { host }) => {
      await prepare(host);
      await layBait(host);
      const container = await host.container('constructor');
      const conf = { ...interfaceConf, name, egress: { mode: 'restricted' } };
      const added = await host.cni('ADD', conf, { container });
      expect(outcome(added)).toBe('code 0');
      expect(outcome(await host.cni('CHECK', { ...conf, prevResult: added.result }, { container }))).toBe('code 0');
      expect(outcome(await host.cni('DEL', conf, { container, netns: '' }))).toBe('code 0');
      expect(await damage(host)).toEqual([]);
      expect(await attachmentsLeft(host)).toEqual([]);
    },
  );

  test('in a lease folder that leads elsewhere is refused or kept inside it', async ({ host }) => {
    await prepare(host);
    await layBait(host);
    const container = await host.container();
    const added = await host.cni(
      'ADD',
      { ...interfaceConf, ipam: { ...(interfaceConf['ipam'] as Json), dataDir: '../../opt/outside' } },
      { container },
    );
    expect(added.error, outcome(added)).toBeDefined();
    expect(await damage(host)).toEqual([]);
  });

  test('in records that somebody else wrote never reaches nft as a command', async ({ host }) => {
    await prepare(host);
    await layBait(host);
    const [first, second] = [await host.container(), await host.container()];
    expect(outcome(await host.addChain(conflist, options(first)))).toBe('code 0');
    const hostile = [
      '"; flush ruleset; #',
      'x\nflush ruleset',
      '10.88.0.9 } ; flush ruleset ; add element inet drawbridge x {',
      '*',
      'eth*',
    ];
    await host.sh(
      `cd /run/drawbridge/attachments; file=$(ls); n=0
       while IFS= read -r expression; do n=$((n + 1)); jq "$expression" "$file" > "000000000000000$n.json"; done`,
      {
        input: hostile
          .flatMap((text) => [
            `.key="0000000000000001" | .link.bridge=${JSON.stringify(text)}`,
            `.egress.addresses=[${JSON.stringify(text)}]`,
            `.link.ports[0].hostIp=${JSON.stringify(text)}`,
          ])
          .slice(0, 9)
          .map((line) => `${line}\n`)
          .join(''),
      },
    );
    await host.sh('nft delete table inet drawbridge');
    expect(outcome(await host.addChain(conflist, { container: second }))).toBe('code 0');
    expect(await damage(host)).toEqual([]);
    expect(outcome(await host.checkChain(conflist, options(first)))).toBe('code 0');
  });
});
