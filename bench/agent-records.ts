/** Run inside of the private host of agent.ts: writes the records of so many containers under so many policies, and their rules. */
import { parsePolicy } from '../src/egress/parse.ts';
import { policyId } from '../src/egress/policy-id.ts';
import { openNetns } from '../src/host/netns.ts';
import { rebuild } from '../src/records/commit.ts';
import { attachmentKey } from '../src/records/key.ts';
import { writeRecord } from '../src/records/store.ts';

const [containers = 0, policies = 0, names = 0] = process.argv.slice(2).map(Number);
const netns = '/run/netns/all';
const { inode } = openNetns(netns);

for (let number = 0; number < containers; number += 1) {
  const place = number % policies;
  const allow = Array.from(
    { length: names / policies },
    (_, index) => `n${place * (names / policies) + index}.example.org:443`,
  );
  const policy = parsePolicy({ mode: 'allowlist', allow }, 'the policy');
  const id = { network: 'bench', containerId: `c${number}`, ifname: 'eth0' };
  writeRecord({
    version: 1,
    ...id,
    key: attachmentKey(id),
    netns,
    netnsInode: inode,
    createdAt: new Date().toISOString(),
    state: 'ready',
    egress: {
      ingressInterface: 'drawbridge0',
      addresses: [`10.88.${1 + Math.floor(number / 250)}.${1 + (number % 250)}`],
      gateways: ['10.88.0.1'],
      policy,
      policyId: policyId(policy),
    },
  });
}
await rebuild();
