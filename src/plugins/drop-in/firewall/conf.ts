import { CniError, codes } from '../../../cni/errors.ts';
import type { NetworkConf } from '../../../cni/request.ts';
import type { IngressPolicyRecord } from '../../../records/record.ts';
import { refuseUnsupported } from '../refuse.ts';

const policies: readonly IngressPolicyRecord['policy'][] = ['open', 'same-bridge', 'isolated'];

/**
 * Reads the keys of the reference firewall plugin and returns its "ingressPolicy".
 *
 * "backend" says there which firewall to open for a container; we open every one that is there, so each of its
 * values is served. Nomad's admin chain holds one accept, which we make unneeded; rules in any other chain of an
 * administrator would not be asked, so such a chain is refused. Throws code 2.
 */
export function parseIngressPolicy({ fields }: NetworkConf): IngressPolicyRecord['policy'] {
  refuseUnsupported(fields, 'backend', 'The known ones are "iptables", "firewalld" and "nftables"', [
    'iptables',
    'firewalld',
    'nftables',
  ]);
  refuseUnsupported(
    fields,
    'iptablesAdminChainName',
    'Its rules would not be asked: put them into a table of your own, or into "DOCKER-USER" or "FORWARD"',
    ['CNI-ADMIN', 'NOMAD-ADMIN'],
  );
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
