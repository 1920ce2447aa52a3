/**
 * The main job, shown: a private "host" with an internet of its own, three containers that the built executable
 * connects with the conflists of conf/, a page fetched through a published port, what each may reach, a name that is
 * refused, a policy that is learnt from what a container did, one of two sites at one address, and the proof that
 * nothing is left. Touches nothing of the machine that it runs on.
 */
import Table from 'cli-table3';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pc from 'picocolors';
import { judge } from '../src/egress/judge.ts';
import { parsePolicy } from '../src/egress/parse.ts';
import { addressOf } from '../src/ip/prefix.ts';
import { showNames } from './names.ts';
import { showSites } from './sites.ts';
import { makeHost, type Container, type Host, type Outside } from '../test/helpers/private-host.ts';
import type { Conflist, Json } from '../test/helpers/runtime.ts';

const root = join(import.meta.dirname, '..');
const width = process.stdout.columns || 100;
const started = performance.now();

interface Attachment {
  readonly name: string;
  readonly conflist: Conflist;
  readonly container: Container;
  readonly addresses: readonly string[];
  readonly published: string;
  readonly ms: number;
}

/** The bridge and what is remembered of it; the boot that leases belong to; what the agent has written down. */
const keptByDesign = [
  /link drawbridge[03]/,
  /bridges\/drawbridge[03]\.json/,
  /\/boot\//,
  /drawbridge\/(?:flows|names|learnt)/,
  // The empty chain that iptables leaves behind a rule.
  /nft table ip6? mangle(?:$|: chain POSTROUTING|: type filter hook postrouting)/,
];

const surprises: string[] = [];

await using host = await makeHost();
title('A private host, and an internet for it to reach');
const outside = await buildInternet(host);
tell(
  'host 192.0.2.1, 2001:db8:ffff::1; behind it 203.0.113.10 and 203.0.113.20 (web), 10.1.2.3 (somebody’s LAN), 169.254.169.254 (metadata)',
);

title('Three containers, connected by the built executable');
const restricted = readConflist('10-drawbridge.conflist');
const allowlist = withPolicy(restricted, { mode: 'allowlist', allow: ['203.0.113.10:80', '[2001:db8:10::10]:80'] });
const attachments = [
  await connect('web', restricted, { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] }),
  await connect('build', restricted),
  await connect('agent', allowlist),
];
printAttachments();

title('A page through the published port');
await host.serve(attachment('web').container, { port: 80, reply: 'Hello from the container, {peer}!' });
const page = await host.fetch(outside, outside.hostV4, 8080);
tell(`from outside, http://${outside.hostV4}:8080 answers: ${pc.bold(page)}`);
tell(`from the host itself, http://127.0.0.1:8080 answers: ${pc.bold(await host.fetch(host, '127.0.0.1', 8080))}`);

title('Who reaches what');
await printReach();

title('Names: one that is refused, and a policy that is learnt');
surprises.push(
  ...(await showNames({
    host,
    outside,
    tell,
    connect: async (name, policy) => connect(name, withPolicy(restricted, policy)),
  })),
);

title('Two sites at one address, of which a sandbox may have one');
surprises.push(...(await showSites({ host, outside, tell, sandbox: readConflist('40-sandbox.conflist'), connect })));

title('Removal');
for (const { name, conflist, container } of attachments) {
  const { ms, error } = await timed(() => host.delChain(conflist, { container, netns: '', result: null }));
  if (error !== undefined) throw new Error(`Cannot remove "${name}": ${String(error['msg'])}`);
  tell(`${name}: removed in ${Math.round(ms)} ms, without its namespace and without the result of ADD`);
}
const left = await host.leftovers({ allow: keptByDesign });
if (left.length > 0) throw new Error(`Something is left:\n${left.join('\n')}`);
tell(
  pc.green(
    'nothing is left: no link, no rule, no lease, no record (the bridge stays, as with every bridge plugin, and so do records of flows)',
  ),
);
if (surprises.length > 0 || !page.startsWith('Hello'))
  throw new Error(`Not as it should be: ${surprises.join(', ') || page}`);
tell('On a host of yours, "drawbridge ui" prints the address of a page that shows all of this live.');
process.stdout.write(`\nDone in ${((performance.now() - started) / 1000).toFixed(1)} s.\n`);

async function buildInternet(at: Host): Promise<Outside> {
  const internet = await at.outside();
  await internet.address(
    '203.0.113.10',
    '203.0.113.20',
    '10.1.2.3',
    '169.254.169.254',
    '2001:db8:10::10',
    '2001:db8:20::20',
  );
  for (const address of [
    '203.0.113.10',
    '203.0.113.20',
    '10.1.2.3',
    '169.254.169.254',
    '2001:db8:10::10',
    '2001:db8:20::20',
  ]) {
    await at.serve(internet, { port: 80, address, reply: 'hello' });
  }
  await at.serve(at, { port: 22, reply: 'a service of the host' });
  return internet;
}

function readConflist(name: string): Conflist {
  return JSON.parse(readFileSync(join(root, 'conf', name), 'utf8')) as Conflist;
}

function withPolicy(conflist: Conflist, policy: Json): Conflist {
  return {
    ...conflist,
    plugins: conflist.plugins.map((plugin) =>
      plugin['type'] === 'egress-policy' ? { type: 'egress-policy', ...policy } : plugin,
    ),
  };
}

async function connect(name: string, conflist: Conflist, runtimeConfig: Json = {}): Promise<Attachment> {
  const container = await host.container(name);
  const { ms, result, error } = await timed(() => host.addChain(conflist, { container, runtimeConfig }));
  if (error !== undefined)
    throw new Error(`Cannot connect "${name}": ${String(error['msg'])} (${String(error['details'])})`);
  const ips = (result?.['ips'] ?? []) as { address: string }[];
  const ports = (runtimeConfig['portMappings'] ?? []) as {
    hostPort: number;
    containerPort: number;
    protocol: string;
  }[];
  return {
    name,
    conflist,
    container,
    ms,
    addresses: ips.map(({ address }) => address),
    published: ports
      .map(({ hostPort, containerPort, protocol }) => `${hostPort} -> ${containerPort}/${protocol}`)
      .join('\n'),
  };
}

function attachment(name: string): Attachment {
  const found = attachments.find((one) => one.name === name);
  if (found === undefined) throw new Error(`There is no container "${name}"`);
  return found;
}

function policyOf({ conflist }: Attachment): Json {
  const {
    type: _,
    capabilities: __,
    ...policy
  } = conflist.plugins.find((plugin) => plugin['type'] === 'egress-policy') ?? {};
  return policy;
}

function printAttachments(): void {
  const table = plainTable(['container', 'addresses', 'published', 'policy', 'ADD']);
  for (const one of attachments) {
    const { mode, allow } = policyOf(one);
    table.push([
      pc.bold(one.name),
      one.addresses.join('\n'),
      one.published,
      [mode, ...((allow as string[] | undefined) ?? [])].join('\n'),
      `${Math.round(one.ms)} ms`,
    ]);
  }
  process.stdout.write(`${table.toString()}\n`);
}

/** Each cell is a real connection; the reason is what the policy's own judge says, and must agree. */
async function printReach(): Promise<void> {
  const destinations = [
    { label: 'web, allowed to "agent"', address: '203.0.113.10' },
    { label: 'the same over IPv6', address: '2001:db8:10::10' },
    { label: 'other web', address: '203.0.113.20' },
    { label: 'other web over IPv6', address: '2001:db8:20::20' },
    { label: 'somebody’s LAN', address: '10.1.2.3' },
    { label: 'metadata', address: '169.254.169.254' },
    { label: 'the host’s port 22', address: '10.88.0.1', port: 22 },
    { label: 'container "web"', address: attachment('web').addresses[0]?.split('/')[0] ?? '' },
  ];
  const table = plainTable(['from', 'to', 'answer', 'after', 'because']);
  for (const from of attachments.slice(1)) {
    for (const to of destinations) table.push([pc.bold(from.name), ...(await tryToReach(from, to))]);
  }
  process.stdout.write(`${table.toString()}\n`);
}

async function tryToReach(
  from: Attachment,
  { label, address, port = 80 }: { label: string; address: string; port?: number },
): Promise<string[]> {
  const { text, ms } = await timed(async () => ({ text: await host.fetch(from.container, address, port) }));
  const reached = !['refused', 'timeout', 'unreachable'].includes(text);
  const { verdict, reason } = judge(
    parsePolicy(policyOf(from), ''),
    { address, protocol: 'tcp', port },
    surroundings(from),
  );
  if (reached !== (verdict === 'allow'))
    surprises.push(`${from.name} -> ${address}:${port} is "${text}", expected "${verdict}"`);
  return [
    `${label}\n${pc.dim(`${address}:${port}`)}`,
    reached ? pc.green('reached') : pc.red(text),
    `${Math.round(ms)} ms`,
    reason,
  ];
}

function surroundings(own: Attachment): NonNullable<Parameters<typeof judge>[2]> {
  const policy = { isolation: 'container', ingress: 'published', audit: false } as const;
  return {
    gateways: ['10.88.0.1', 'fd00:88::1'],
    hostAddresses: [outside.hostV4, outside.hostV6],
    siblings: attachments
      .filter((other) => other !== own)
      .flatMap(({ addresses }) =>
        addresses.map((address) => ({ address: addressOf(address), sameBridge: true, policy })),
      ),
    published: [{ protocol: 'tcp', port: 8080 }],
    onLink: [],
  };
}

function plainTable(head: string[]): Table.Table {
  return new Table({
    head: head.map((text) => pc.dim(text)),
    style: { head: [], border: [] },
    wordWrap: true,
    // What is left of the terminal is for the reasons.
    colWidths: head.includes('because') ? [8, 26, 9, 8, Math.max(28, Math.min(90, width - 57))] : [],
  });
}

async function timed<T extends object>(work: () => Promise<T>): Promise<T & { ms: number }> {
  const begin = performance.now();
  const outcome = await work();
  return { ...outcome, ms: performance.now() - begin };
}

function title(text: string): void {
  process.stdout.write(`\n${pc.bold(text)}\n`);
}

function tell(text: string): void {
  process.stdout.write(`  ${text}\n`);
}
