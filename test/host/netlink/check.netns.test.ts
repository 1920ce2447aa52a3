/** What CHECK asks the kernel itself is what nft finds on trial: whatever was done to the rules. */
import { describe, expect, test, type CniResult, type Container, type Host, type Json } from '../../helpers/host.ts';
import { interfaceConf, succeeded } from '../../plugins/drawbridge/network.ts';

const path = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
const byChildren = { ...path, DRAWBRIDGE_CHILDREN: '1' };

const conf = interfaceConf({
  noMasquerade: ['192.168.0.0/16', '198.51.100.7'],
  egress: {
    allow: ['198.51.100.0/24:443', '203.0.113.0/28', '[2001:db8::]/48:53/udp', 'api.example.org:443'],
    deny: ['203.0.113.9', '203.0.113.12/30'],
  },
  runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
});

/** Names of what belongs to the policy, for a shell. */
const names = `policy=$(nft list chains | grep -oE 'policy_[0-9a-f]{16} ' | sort -u | head -1 | tr -d ' ')
  group=$(nft list sets inet | grep -o 'group_[0-9a-f]*' | head -1)`;

/** In a chain of the layout, the handle of its first rule that matches. */
const handleOf = (chain: string, pattern: string): string =>
  `$(nft -a list chain ${chain} | sed -n 's/.*${pattern}.*# handle //p' | head -1)`;

const damages: [string, string, RegExp][] = [
  ['an element is gone', 'nft delete element inet drawbridge masquerade4 { 10.1.0.2 }', /"masquerade4"/],
  [
    'an element has another value',
    'nft delete element inet drawbridge published4 { tcp . 8080 }; nft add element inet drawbridge published4 { tcp . 8080 : 10.1.0.9 . 80 }',
    /"published4"/,
  ],
  [
    'an element leads to another chain',
    `key=$(nft list map inet drawbridge egress4 | grep -o '"br0" . [0-9.]*'); nft "delete element inet drawbridge egress4 { $key }"; nft "add element inet drawbridge egress4 { $key : goto deny_drop }"`,
    /"egress4"/,
  ],
  ['an interval is gone', 'nft "delete element inet drawbridge bare4 { 10.1.0.2 . 192.168.0.0/16 }"', /"bare4"/],
  ['a chain of the layout lost its rules', 'nft flush chain inet drawbridge masquerading', /"masquerading"/],
  ['a chain of the layout has a rule more', 'nft insert rule inet drawbridge egress_out accept', /"egress_out"/],
  [
    'a rule has another list of its own',
    `handle=${handleOf('inet drawbridge routed_from6', 'nd-redirect')}
    nft "replace rule inet drawbridge routed_from6 handle $handle icmpv6 type { nd-redirect, mld-listener-query } counter name routed_refused drop"`,
    /"routed_from6"/,
  ],
  ['the chain of the policy lost its rules', `${names}; nft flush chain inet drawbridge $policy`, /policy_[0-9a-f]+"/],
  [
    'a list of the policy lost a range',
    `${names}; nft "delete element inet drawbridge \${policy}_deny4 { 203.0.113.12/30 }"`,
    /the chains of policy "[0-9a-f]+", or what its sets list/,
  ],
  [
    'a list of ports of the policy lost one',
    `${names}; nft "delete element inet drawbridge \${policy}_allow4_ports { 198.51.100.0/24 . tcp . 443 }"`,
    /the chains of policy "[0-9a-f]+", or what its sets list/,
  ],
  [
    'a list of the layout lost a range',
    'nft delete element inet drawbridge private4 { 10.0.0.0/8 }',
    /the tables "inet drawbridge"/,
  ],
  ['the mark of the policy is gone', `${names}; nft delete set inet drawbridge $group`, /the chains of policy/],
  ['a table is gone', 'nft delete table bridge drawbridge', /the tables "inet drawbridge" and "bridge drawbridge"/],
];

async function add(host: Host): Promise<{ container: Container; prevResult: Json }> {
  const container = await host.container();
  return { container, prevResult: succeeded(await host.cni('ADD', conf, { container, env: path })) };
}

describe.each(damages)('where %s', (_, damage, named) => {
  test('CHECK says the same either way', async ({ host }) => {
    const { container, prevResult } = await add(host);
    const check = async (env: Record<string, string>): Promise<CniResult> =>
      host.cni('CHECK', { ...conf, prevResult }, { container, env });
    // The first finds in order what the second need not read.
    for (const env of [path, path, byChildren]) succeeded(await check(env));
    await host.sh(damage);
    const [found, foundByChildren] = [await check(path), await check(byChildren)];
    expect(found.error).toMatchObject({ code: 103, msg: expect.stringMatching(named) });
    expect(found.error).toEqual(foundByChildren.error);
  });
});

test('CHECK finds an interval that is narrower than it was, which nft does not', async ({ host }) => {
  const { container, prevResult } = await add(host);
  await host.sh(
    'nft "delete element inet drawbridge bare4 { 10.1.0.2 . 192.168.0.0/16 }; add element inet drawbridge bare4 { 10.1.0.2 . 192.168.0.0/17 }"',
  );
  const { error } = await host.cni('CHECK', { ...conf, prevResult }, { container, env: path });
  expect(error).toMatchObject({ code: 103, msg: expect.stringContaining('{ 10.1.0.2 . 192.168.0.0/16 } of "bare4"') });
});

test('CHECK beside somebody who changes rules of his own reads ours and starts no program', async ({ host }) => {
  const { container, prevResult } = await add(host);
  const check = async (): Promise<CniResult> => host.cni('CHECK', { ...conf, prevResult }, { container, env: path });
  succeeded(await check());
  await host.sh('cat "$(readlink -f "$(command -v nft)")" > /run/nft; chmod +x /run/nft; touch /run/none');
  await host.sh('mount --bind /run/none "$(readlink -f "$(command -v nft)")"');
  succeeded(await check());
  await host.sh('/run/nft add table ip foreign; /run/nft add chain ip foreign c');
  succeeded(await check());
  await host.sh('/run/nft insert rule inet drawbridge egress_out accept');
  expect((await check()).error).toMatchObject({ code: 100, msg: expect.stringContaining('"nft"') });
});
