/** A LAN with public addresses is a LAN: mode "restricted" is the internet, and not the host's own network. */
import { expect, test as base, type Host, type Outside } from '../helpers/host.ts';
import { startAgent, until } from '../agent/process/agent.ts';
import { drawbridge } from '../cli/cli.ts';
import {
  addContainer,
  chain,
  elementsOf,
  makeWorld,
  oneProcess,
  reaches,
  world,
} from '../plugins/egress-policy/network.ts';

const lan = ['other4', 'other6'] as const;
const open = { other4: 'outside', other6: 'outside' };
const closed = { other4: 'refused', other6: 'refused' };

interface Lab {
  readonly host: Host;
  readonly outside: Outside;
}

const test = base.extend<{ lab: Lab }>({
  lab: async ({ host }, use) => {
    const outside = await makeWorld(host);
    await host.run(
      [
        'sh',
        '-ec',
        `ip addr del ${world.other6}/128 dev lo; ip addr add ${world.other6}/64 dev eth0 nodad; ip addr del ${world.other4}/32 dev lo; ip addr add ${world.other4}/24 dev eth0`,
      ],
      {
        where: outside,
      },
    );
    await use({ host, outside });
  },
});

/** Puts the host on the network of the world's other hosts, which know it: a first solicitation may be lost. */
async function join({ host, outside }: Lab, { length4 = 24, length6 = 64 } = {}): Promise<void> {
  const mac = (await host.sh("ip -brief link show dev eth0 | awk '{ print $3 }'")).trim();
  for (const address of ['203.0.113.1', '2001:db8:7::1'])
    await host.run(['ip', 'neigh', 'replace', address, 'lladdr', mac, 'dev', 'eth0'], { where: outside });
  await host.sh(`ip addr add 203.0.113.1/${length4} dev eth0; ip addr add 2001:db8:7::1/${length6} dev eth0 nodad`);
}

test('a neighbour with a public address is reached while the host is on another network', async ({ lab: { host } }) => {
  expect(await reaches(host, await addContainer(host, oneProcess()), lan)).toEqual(open);
});

test.for([
  ['one process', oneProcess],
  ['a chain', chain],
] as const)('a neighbour with a public address is closed in mode restricted, by %s', async ([, make], { lab }) => {
  const { host } = lab;
  await join(lab);
  const container = await addContainer(host, make());
  expect(await reaches(host, container, [...lan, 'public4', 'public6'])).toEqual({
    ...closed,
    public4: 'outside',
    public6: 'outside',
  });
});

test.for([
  ['allowLocalNetworks', { allowLocalNetworks: true }],
  ['allowPrivate with addresses', { allowPrivate: [`${world.other4}:80`, `[${world.other6}]:80`] }],
  ['allowPrivate with prefixes', { allowPrivate: ['203.0.113.0/24', '2001:db8:7::/64'] }],
  ['mode open', { mode: 'open' }],
] as const)('%s opens a neighbour with a public address', async ([, policy], { lab }) => {
  const { host } = lab;
  await join(lab);
  const container = await addContainer(host, oneProcess(policy));
  expect(await reaches(host, container, lan)).toEqual(open);
});

test('allowPrivate opens no public address that is on no network of the host', async ({ lab: { host } }) => {
  const policy = { mode: 'allowlist', allowPrivate: [world.public4, world.public6, '10.7.7.7'] };
  const container = await addContainer(host, oneProcess(policy));
  expect(await reaches(host, container, ['public4', 'public6', 'private4'])).toEqual({
    public4: 'refused',
    public6: 'refused',
    private4: 'outside',
  });
  expect(container.stderr).toContain(`allowPrivate "${world.public4}" opens nothing on this host`);
});

test('a network that is shorter than /8 or /32 closes nothing', async ({ lab }) => {
  const { host } = lab;
  await join(lab, { length4: 7, length6: 31 });
  const container = await addContainer(host, oneProcess());
  expect(await reaches(host, container, lan)).toEqual(open);
  expect(await elementsOf(host, 'onlink4')).toEqual(['192.0.2.0', '192.0.2.2-192.0.2.255']);
});

test('a network that a router announces for an address of DHCPv6 is closed', async ({ lab }) => {
  const { host } = lab;
  await join(lab, { length6: 128 });
  await host.sh('ip -6 route add 2001:db8:7::/64 dev eth0 proto ra');
  const container = await addContainer(host, oneProcess());
  expect(await reaches(host, container, ['other6', 'public6'])).toEqual({ other6: 'refused', public6: 'outside' });
});

test('a network that the host comes to is closed by the next ADD, and opened by one after the host left it', async ({
  lab,
}) => {
  const { host } = lab;
  const first = await addContainer(host, oneProcess(), { name: 'first' });
  expect(await reaches(host, first, lan)).toEqual(open);
  await join(lab);
  await addContainer(host, oneProcess(), { name: 'second' });
  expect(await reaches(host, first, lan)).toEqual(closed);
  await host.sh('ip addr del 203.0.113.1/24 dev eth0; ip addr del 2001:db8:7::1/64 dev eth0');
  await addContainer(host, oneProcess(), { name: 'third' });
  expect(await reaches(host, first, lan)).toEqual(open);
});

test('the agent closes a network that the host comes to, and opens one that it leaves', async ({ lab }) => {
  const { host } = lab;
  const container = await addContainer(host, oneProcess());
  await startAgent(host);
  const is = async (wanted: typeof open): Promise<boolean> =>
    JSON.stringify(await reaches(host, container, lan)) === JSON.stringify(wanted);
  expect(await is(open)).toBe(true);
  await join(lab);
  await until(() => is(closed));
  await host.sh('ip addr del 203.0.113.1/24 dev eth0; ip addr del 2001:db8:7::1/64 dev eth0');
  await until(() => is(open));
});

test('the agent puts back a network that somebody takes out of our tables', async ({ lab }) => {
  const { host } = lab;
  await join(lab);
  const container = await addContainer(host, oneProcess());
  await startAgent(host);
  await host.sh('nft flush set inet drawbridge onlink4');
  await until(async () => (await elementsOf(host, 'onlink4')).includes('203.0.113.2-203.0.113.255'));
  expect(await reaches(host, container, lan)).toEqual(closed);
});

test('networks are closed again when the tables are written anew', async ({ lab }) => {
  const { host } = lab;
  await join(lab);
  const container = await addContainer(host, oneProcess(), { name: 'first' });
  await host.sh('nft flush ruleset');
  await addContainer(host, oneProcess(), { name: 'second' });
  expect(await reaches(host, container, lan)).toEqual(closed);
});

test.for([
  [world.other4, '203.0.113.0/24'],
  [`[${world.other6}]:443`, '2001:db8:7::/64'],
])('ADD and policy check refuse %s in "allow" on a host in %s', async ([entry, network], { lab }) => {
  const { host } = lab;
  await join(lab);
  const container = await host.container();
  const added = await host.addChain(oneProcess({ allow: [world.public4, entry] }), { container });
  expect(added.error).toMatchObject({
    code: 7,
    msg: `Cannot use "${entry}" in "egress.allow[1]": it is in ${network}, a network that this host is on`,
    details: 'such a network is local: "allowPrivate" opens it, and "allow" does not',
  });
  const checked = await drawbridge(host, ['policy', 'check', '-'], {
    input: JSON.stringify({ allow: [world.public4, entry] }),
  });
  expect(checked.code).toBe(1);
  expect(checked.stdout.replace(/\s+/gu, ' ')).toContain('"allowPrivate" opens it, and "allow" does not');
});

test('explain names the network that closes a neighbour, and what opens it', async ({ lab }) => {
  const { host } = lab;
  await join(lab);
  const { name } = await addContainer(host, oneProcess());
  const { code, json } = await drawbridge(host, ['explain', name, `${world.other4}:80`, '--json']);
  expect(code).toBe(1);
  expect(json).toMatchObject({
    verdict: 'deny',
    rule: 'private',
    reason:
      'it is in 203.0.113.0/24, a network that this host is on: only "allowPrivate" or "allowLocalNetworks" opens it',
  });
});
