import { listRules } from '../../cli/cli.ts';
import { describe, expect, type Conflist, type Host, type Json } from '../../helpers/host.ts';
import { expectFailure, succeeded } from '../drawbridge/network.ts';
import {
  addContainer,
  addressOf,
  chain,
  elementsOf,
  oneProcess,
  policyConf,
  referenceChain,
  referencePlugins,
  restricted,
  runChain,
  ways,
  world,
} from './network.ts';
import { test } from './world.ts';

const kept = [/link br0$/, /file \/run\/drawbridge\/(bridges|listings)\//, /\/boot\//];

/** Puts a program before the real nft: `script` is of /bin/sh, "$@" and stdin are what nft was given. */
async function wrapNft(host: Host, script: string): Promise<void> {
  await host.sh('cat > /usr/local/sbin/nft; chmod +x /usr/local/sbin/nft', { input: `#!/bin/sh\n${script}\n` });
}
const wrapped = { PATH: '/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' };

describe.for(Object.entries(ways))('in %s, DEL', ([, conflist]) => {
  test.for([
    ['without a namespace', async () => {}, { netns: '' }],
    ['of a namespace that is gone', async (host: Host) => host.sh('umount /run/netns/c1; rm /run/netns/c1'), {}],
    ['without prevResult', async () => {}, { result: null }],
    ['with a policy that is no longer valid', async () => {}, {}],
  ] as const)('%s takes everything away', async ([title, before, options], { host }) => {
    const list = conflist();
    const container = await addContainer(host, list);
    await before(host);
    const broken = title.includes('valid')
      ? {
          ...list,
          plugins: list.plugins.map((plugin) =>
            plugin['type'] === 'egress-policy'
              ? { ...plugin, mode: 'oppen' }
              : { ...plugin, ...(plugin['egress'] === undefined ? {} : { egress: { mode: 'oppen' } }) },
          ),
        }
      : list;
    const removed = await host.delChain(broken, { containerId: container.name, netns: container.netns, ...options });
    expect(removed.error).toBeUndefined();
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('twice, and of what never was, succeeds', async ({ host }) => {
    const list = conflist();
    const container = await addContainer(host, list);
    for (const _ of [1, 2]) succeeded(await host.delChain(list, { container, result: null }));
    succeeded(await host.delChain(list, { containerId: 'never', netns: '' }));
  });

  test('of one container leaves the policy of another in force', async ({ host, world }) => {
    const list = conflist();
    const [first, second] = [await addContainer(host, list), await addContainer(host, list)];
    succeeded(await host.delChain(list, { container: first }));
    expect(await world.reaches(second)).toEqual(restricted);
    expect((await host.checkChain(list, { container: second })).error).toBeUndefined();
  });

  test('without a record takes the rest away', async ({ host }) => {
    const list = conflist();
    const container = await addContainer(host, list);
    await host.sh('rm /run/drawbridge/attachments/*');
    succeeded(await host.delChain(list, { container }));
    expect(
      await host.leftovers({
        allow: [...kept, /nft table/, /ip rule 90:/, /tc qdisc clsact/, /file \/run\/drawbridge\//],
      }),
    ).toEqual([]);
  });
});

test.skipIf(referencePlugins() === undefined)(
  'DEL of the policy alone shuts the container in until its interface goes',
  async ({ host, world }) => {
    const list = referenceChain('bridge', { mode: 'open' });
    const container = await host.container();
    const result = succeeded(await runChain(host, 'ADD', list, { container }));
    await host.fetch(container, world.public6, 80, { timeout: 4000 });
    succeeded(await host.cni('DEL', policyConf({ mode: 'open' }, result), { container }));
    const answers = await world.reaches(container, ['public4', 'public6', 'private4']);
    expect(Object.values(answers)).not.toContain('outside');
  },
);

describe('CHECK of the policy', () => {
  type Wreck = (host: Host, address: string) => Promise<unknown>;
  const wrecks: readonly [string, Wreck, RegExp][] = [
    [
      'an element',
      async (host, address) => host.run(['nft', `delete element inet drawbridge egress4 { "br0" . ${address} }`]),
      /element \{ "br0" \. 10\.1\.0\.2 : goto policy_.* \} of "egress4" in table "inet drawbridge"/,
    ],
    [
      'an element that is another verdict',
      async (host, address) =>
        host.sh(
          `nft 'delete element inet drawbridge egress4 { "br0" . ${address} }; add element inet drawbridge egress4 { "br0" . ${address} : accept }'`,
        ),
      /of "egress4"/,
    ],
    [
      'a set that was emptied',
      async (host) => host.run(['nft', 'flush set bridge drawbridge guard4']),
      /of "guard4" in table "bridge drawbridge"/,
    ],
    [
      'a set of the policy that was emptied',
      async (host) =>
        host.sh(
          `nft flush set inet drawbridge $(nft list sets inet | grep -o 'policy_[0-9a-f]*_allow4[a-z0-9_]*' | head -1)`,
        ),
      /policy/,
    ],
    [
      'a chain that was flushed',
      async (host) => host.run(['nft', 'flush chain inet drawbridge egress_out']),
      /chain "egress_out" in table "inet drawbridge"/,
    ],
    [
      'a chain of the policy that was flushed',
      async (host) =>
        host.sh(`nft flush chain inet drawbridge $(nft list chains inet | grep -o 'policy_[0-9a-f]*' | head -1)`),
      /chain "policy_/,
    ],
    [
      'a rule that was put first',
      async (host) => host.run(['nft', 'insert rule inet drawbridge egress_forward accept']),
      /chain "egress_forward"/,
    ],
    ['a table', async (host) => host.run(['nft', 'delete table bridge drawbridge']), /table/],
    [
      'everything',
      async (host) => host.run(['nft', 'flush ruleset']),
      /tables "inet drawbridge" and "bridge drawbridge"/,
    ],
  ];
  test.for(wrecks)('names %s', async ([, wreck, text], { host }) => {
    const list = chain({ allow: ['203.0.113.0/24:443', world.public4] });
    const container = await addContainer(host, list);
    await wreck(host, addressOf(container.result, 4));
    const checked = await host.cni(
      'CHECK',
      policyConf({ allow: ['203.0.113.0/24:443', world.public4] }, container.result),
      { container },
    );
    expect(checked.error).toMatchObject({ code: 104, msg: expect.stringMatching(text) });
  });

  test('names a port that is no longer isolated', async ({ host }) => {
    const container = await addContainer(host, chain());
    await host.sh('for p in /sys/class/net/br0/brif/*; do echo 0 > $p/isolated; done');
    const checked = await host.cni('CHECK', policyConf({}, container.result), { container });
    expectFailure(checked, 104, /the bridge does not isolate the port "veth/);
  });

  test('names a gate that is gone', async ({ host }) => {
    const list = chain();
    const container = await addContainer(host, list);
    await host.sh('ip -4 rule del pref 90; ip -6 rule del pref 90');
    const checked = await host.cni('CHECK', policyConf({}, container.result), { container });
    expect(checked.error).toMatchObject({ code: 104, msg: expect.stringMatching(/rule/) });
  });

  test('names an address of the container that has no policy', async ({ host }) => {
    const container = await addContainer(host, chain());
    const ips = [...(container.result['ips'] as Json[]), { interface: 2, address: '10.1.0.77/24' }];
    const checked = await host.cni('CHECK', policyConf({}, { ...container.result, ips }), { container });
    expectFailure(checked, 104, 'the address 10.1.0.77 of the container has no policy');
  });

  test('of a container that stands without a record fails with 104, for a DEL is needed', async ({ host }) => {
    const container = await addContainer(host, chain());
    await host.sh('rm /run/drawbridge/attachments/*');
    expectFailure(
      await host.cni('CHECK', policyConf({}, container.result), { container }),
      104,
      /^Cannot check the policy of .*there is no record of it, and .*"eth0" in .* are there$/,
    );
  });
});

describe('GC', () => {
  test('takes the policies of attachments that are not in the list, and no other', async ({ host, world }) => {
    const list = chain();
    const [first, second] = [await addContainer(host, list), await addContainer(host, list)];
    succeeded(
      await host.gcChain({ ...list, plugins: list.plugins.slice(1) }, [{ containerID: second.name, ifname: 'eth0' }]),
    );
    expect(await elementsOf(host, 'guard4', 'bridge drawbridge')).toHaveLength(1);
    expect(Object.values(await world.reaches(first, ['public4', 'private4']))).not.toContain('outside');
    expect(await world.reaches(second)).toEqual(restricted);
  });

  test('leaves other networks alone', async ({ host, world }) => {
    const list = chain();
    const container = await addContainer(host, list);
    succeeded(await host.gcChain({ ...list, name: 'another' }, []));
    expect(await world.reaches(container)).toEqual(restricted);
  });

  test('without a list takes those of namespaces that are gone', async ({ host }) => {
    const list = chain();
    const [first, second] = [await addContainer(host, list), await addContainer(host, list)];
    await first.remove();
    await interfaceIsGone(host, first.result);
    succeeded(await host.gcChain(list, undefined));
    expect(await elementsOf(host, 'guard4', 'bridge drawbridge')).toEqual([
      expect.stringContaining(addressOf(second.result, 4)),
    ]);
  });

  test.skipIf(referencePlugins() === undefined)('takes those of a foreign interface plugin too', async ({ host }) => {
    const list = referenceChain('bridge');
    const container = await host.container();
    succeeded(await runChain(host, 'ADD', list, { container }));
    const conf = { ...policyConf({}, undefined), 'cni.dev/valid-attachments': [] };
    succeeded(await host.cni('GC', conf));
    expect(await host.run(['nft', 'list', 'tables'])).not.toContain('drawbridge');
  });
});

/** The kernel takes the interfaces of a namespace away some time after its name. */
async function interfaceIsGone(host: Host, { interfaces }: Json): Promise<void> {
  const [, { name }] = interfaces as { name: string }[] as [unknown, { name: string }];
  await host.sh(`while ip link show ${name} 2>/dev/null >&2; do sleep 0.02; done`);
}

describe.for(Object.entries(ways))('in %s, an ADD whose rules cannot be committed', ([, conflist]) => {
  const failures = {
    'nft fails': 'echo "Error: broken" >&2; exit 1',
    'nft is killed': 'kill -9 $$',
    'nft refuses rules of policies':
      'input=$(cat); case "$input" in *policy_*) echo "Error: broken" >&2; exit 1;; esac; printf "%s\\n" "$input" | exec /usr/sbin/nft "$@"',
  };
  test.for(Object.entries(failures))('because %s fails, and leaves nothing after DEL', async ([, script], { host }) => {
    const list = conflist();
    const container = await host.container();
    await wrapNft(host, script);
    const added = await host.addChain(list, { container, env: wrapped });
    expect(added.code).toBe(1);
    expect(added.error).toMatchObject({ code: 100, msg: expect.any(String) });
    await host.sh('rm /usr/local/sbin/nft');
    succeeded(await host.delChain(list, { container }));
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('leaves what is there as it was', async ({ host, world }) => {
    const list = conflist();
    const first = await addContainer(host, list);
    const before = await host.sh(listRules);
    await wrapNft(host, failures['nft refuses rules of policies']);
    const container = await host.container();
    const added = await host.addChain(conflist({ mode: 'open' }), { container, env: wrapped });
    expect(added.code).toBe(1);
    await host.sh('rm /usr/local/sbin/nft');
    await host.delChain(list, { container });
    expect(await host.sh(listRules)).toBe(before);
    expect(await world.reaches(first)).toEqual(restricted);
  });
});

test('an ADD of the policy that fails gives the interface no way out', async ({ host, world }) => {
  const list: Conflist = chain({ mode: 'open' });
  await host.sh('mkdir -p /etc/cni/net.d; cat > /etc/cni/net.d/10-net.conflist', { input: JSON.stringify(list) });
  await wrapNft(
    host,
    'input=$(cat); case "$input" in *policy_*) echo "Error: broken" >&2; exit 1;; esac; printf "%s\\n" "$input" | exec /usr/sbin/nft "$@"',
  );
  const container = await host.container();
  expect((await host.addChain(list, { container, env: wrapped })).code).toBe(1);
  expect(Object.values(await world.reaches(container, ['public4', 'public6']))).not.toContain('outside');
});

test('an ADD whose nft hangs ends in its time', { timeout: 60_000 }, async ({ host }) => {
  const container = await host.container();
  await host.sh('ip link add veth7 type veth peer name eth0 netns c1; ip link set veth7 up');
  await host.takeBaseline();
  await wrapNft(host, 'exec sleep 600');
  const prevResult = {
    cniVersion: '1.1.0',
    interfaces: [{ name: 'eth0', sandbox: container.netns }],
    ips: [{ address: '10.1.0.2/24', interface: 0 }],
  };
  const added = await host.cni('ADD', policyConf({}, prevResult), { container, env: wrapped, timeout: 55_000 });
  await host.sh('rm /usr/local/sbin/nft');
  expectFailure(added, 100, 'it did not end within 20000 ms');
  expect(await host.leftovers({ allow: kept })).toEqual([]);
});

test('one process reads the same policy as a chain', async ({ host, world }) => {
  const answers = [];
  for (const list of [
    chain({ allow: [world.other4], allowPrivate: [world.private4] }),
    oneProcess({ allow: [world.other4], allowPrivate: [world.private4] }),
  ])
    answers.push(await world.reaches(await addContainer(host, list)));
  expect(answers[0]).toEqual({
    public4: 'refused',
    public6: 'refused',
    private4: 'outside',
    private6: 'refused',
    metadata: 'refused',
  });
  expect(answers[1]).toEqual(answers[0]);
});
