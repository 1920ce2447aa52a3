import { CniError, codes } from '../../../cni/errors.ts';
import type { NetworkConf } from '../../../cni/request.ts';
import { programsWithRulesIn } from '../../../host/firewall/admin-chain.ts';
import type { IngressPolicyRecord } from '../../../records/record.ts';
import { refuseUnsupported } from '../refuse.ts';

const policies: readonly IngressPolicyRecord['policy'][] = ['open', 'same-bridge', 'isolated'];

/**
 * Reads the keys of the reference firewall plugin and returns its "ingressPolicy".
 *
 * "backend" says there which firewall to open for a container; we open every one that is there, so each of its
 * values is served. Throws code 2.
 */
export function parseIngressPolicy({ fields }: NetworkConf): IngressPolicyRecord['policy'] {
  refuseUnsupported(fields, 'backend', 'The known ones are "iptables", "firewalld" and "nftables"', [
    'iptables',
    'firewalld',
    'nftables',
  ]);
  refuseUnsupported(fields, 'firewalldZone', 'Bridges go into the zone "trusted": leave the key out', ['trusted']);
  const asked = fields.string('ingressPolicy') ?? '';
  if (asked === '') return 'open';
  const policy = policies.find((known) => known === asked);
  if (policy !== undefined) return policy;
  throw new CniError(
    codes.unsupportedField,
    `Cannot use "ingressPolicy": ${JSON.stringify(asked)} is not supported`,
    `The known ones are ${policies.map((known) => `"${known}"`).join(', ')}`,
  );
}

/** Chains that hold nothing but what we make unneeded: Nomad's has one accept. */
const emptyChains = ['CNI-ADMIN', 'NOMAD-ADMIN'];

/**
 * Looks at the chain that "iptablesAdminChainName" names. The reference sends what it forwards through that chain
 * first, and we do not; so it is a warning, and code 2 where the chain holds rules, which would not be asked.
 */
export async function checkAdminChain({ fields }: NetworkConf): Promise<string[]> {
  const chain = fields.string('iptablesAdminChainName') ?? '';
  if (chain === '' || emptyChains.includes(chain)) return [];
  const [place] = await programsWithRulesIn(chain);
  if (place === undefined)
    return [
      `"iptablesAdminChainName" is passed over: the chain ${JSON.stringify(chain)} has no rules, and would not be asked`,
    ];
  throw new CniError(
    codes.unsupportedField,
    `Cannot use "iptablesAdminChainName": the rules of ${JSON.stringify(chain)} (${place}) would not be asked`,
    'Put them into a table of your own, or into "DOCKER-USER" or "FORWARD"',
  );
}
