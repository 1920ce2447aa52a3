/**
 * Run inside of the private host of agent.ts: connects so many containers under so many policies as ADD leaves them,
 * without a process each: records, pairs of interfaces, rules. The far ends are all in one namespace, /run/netns/all.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { policiesFolder } from '../src/egress/load-policy.ts';
import { parsePolicy } from '../src/egress/parse.ts';
import { policyId } from '../src/egress/policy-id.ts';
import { applyCommands } from '../src/host/apply.ts';
import { openNetns } from '../src/host/netns.ts';
import { familyOf } from '../src/ip/family.ts';
import type { LinkCommand } from '../src/links/command.ts';
import { hardwareAddressOf } from '../src/links/hardware-address.ts';
import { rebuild } from '../src/records/commit.ts';
import { attachmentKey, hostInterfaceOf } from '../src/records/key.ts';
import type { AttachmentRecord, LinkRecord } from '../src/records/record.ts';
import { writeRecord } from '../src/records/store.ts';

const [containers = 0, policies = 0, names = 0] = process.argv.slice(2).map(Number);
const netns = '/run/netns/all';
const { inode } = openNetns(netns);
const conf = {
  cniVersion: '1.1.0',
  name: 'bench',
  type: 'drawbridge',
  bridge: 'drawbridge0',
  isDefaultGateway: true,
  ipMasq: true,
  hairpinMode: true,
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.88.0.0/16' }], [{ subnet: 'fd00:88::/64' }]] },
};
mkdirSync(policiesFolder, { recursive: true });
const compiled = Array.from({ length: policies }, (_, place) => {
  const each = names / policies;
  const allow = Array.from({ length: each }, (__, index) => `n${place * each + index}.example.org:443`);
  const raw = { mode: 'allowlist', allow };
  writeFileSync(`${policiesFolder}/p${place}.json`, JSON.stringify(raw));
  return parsePolicy(raw, 'the policy');
});
const records = Array.from({ length: containers }, (_, number) => record(number));
await applyCommands(
  records.flatMap(({ link: { hostInterface: name, mac, mtu } }, number): LinkCommand[] => [
    {
      kind: 'addVeth',
      end: { name, mtu, mac: hardwareAddressOf(name), master: 'drawbridge0' },
      peer: { name: `e${number}`, netns, mtu, mac },
    },
    { kind: 'setPort', name, hairpin: true, isolated: true },
    { kind: 'setLink', name, state: 'up' },
  ]),
);
// The first container speaks; the others are there.
const [first] = records;
await applyCommands(
  [
    { kind: 'setLink', name: 'e0', state: 'up' },
    ...(first?.link.addresses ?? []).flatMap(({ address, gateway = '' }): LinkCommand[] => [
      { kind: 'replaceAddress', address, name: 'e0', nodad: familyOf(address) === 6 },
      { kind: 'addRoute', dst: familyOf(address) === 6 ? '::/0' : '0.0.0.0/0', via: gateway, dev: 'e0' },
    ]),
  ],
  { netns },
);
records.forEach((one) => writeRecord(one));
await rebuild();

function record(number: number): AttachmentRecord & { readonly link: LinkRecord } {
  const id = { network: 'bench', containerId: `c${number}`, ifname: 'eth0' };
  const key = attachmentKey(id);
  const hostInterface = hostInterfaceOf(key);
  const four = `10.88.${1 + Math.floor(number / 250)}.${1 + (number % 250)}`;
  const six = `fd00:88::${(number + 256).toString(16)}`;
  const mac = hardwareAddressOf(`drawbridge0 ${four}`);
  const policy = compiled[number % policies];
  if (policy === undefined) throw new RangeError('There has to be a policy');
  return {
    version: 2,
    ...id,
    key,
    netns,
    netnsInode: inode,
    createdAt: new Date().toISOString(),
    state: 'ready',
    link: {
      bridge: 'drawbridge0',
      ingressInterface: 'drawbridge0',
      hostInterface,
      mac,
      mtu: 1500,
      addresses: [
        { address: `${four}/16`, gateway: '10.88.0.1' },
        { address: `${six}/64`, gateway: 'fd00:88::1' },
      ],
      masquerade: true,
      macspoofchk: false,
      enforced: true,
      ports: [{ protocol: 'tcp', hostPort: 10_000 + number, containerPort: 80, families: [4, 6] }],
      ipam: { type: 'host-local' },
      conf,
    },
    egress: {
      ingressInterface: 'drawbridge0',
      port: hostInterface,
      mac,
      addresses: [four, six],
      gateways: ['10.88.0.1', 'fd00:88::1'],
      policy,
      policyName: `p${number % policies}`,
      policyId: policyId(policy),
    },
  };
}
