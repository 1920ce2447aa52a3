/** The plans whose text is kept in test/golden/links/. */
import type { BridgePlan } from '../../src/links/bridge.ts';
import type { LinkCommand } from '../../src/links/command.ts';
import { textOf } from '../../src/links/text.ts';
import type { VethPlan } from '../../src/links/veth.ts';
import { attach, dual, ipv4, ipv6 } from './attachment.ts';

export interface Plans {
  readonly bridge: BridgePlan;
  readonly pair: VethPlan;
}

const routes = [
  { dst: '0.0.0.0/0', gw: '10.88.0.1' },
  { dst: '192.0.2.0/24', gw: '10.88.0.1', mtu: 1400, advmss: 1360, priority: 100, table: 77 },
  { dst: '198.51.100.0/24', scope: 253 },
  { dst: '2001:db8::/32', gw: 'fd00:88::1', priority: 7 },
];

export const goldens: Record<string, Plans> = {
  ipv4: attach(ipv4),
  ipv6: attach(ipv6),
  dual: attach(dual, { mtu: 1420 }),
  unannounced: attach(dual, { announces: false }),
  'no-address': attach([]),
  routes: attach(dual, { routes }),
  'duplicate-address-detection': attach(dual, { enabledad: true }),
  'tied-to-mac': attach(ipv4, { learns: false }),
  'hairpin-isolated': attach(ipv4, { hairpinMode: true, portIsolation: true }),
  promiscuous: attach(ipv4, { promiscMode: true }),
  'interface-stays-down': attach([], { disableContainerInterface: true }),
  vlan: attach([], { vlan: 100 }),
  'vlan-gateway': attach(dual, { vlan: 100 }),
  'vlan-trunk': attach([], { trunk: [101, 200, 201, 202] }),
  'vlan-and-trunk': attach([], { vlan: 100, trunk: [101, 200, 201], preserveDefaultVlan: true }),
};

/**
 * A plan as it is kept: each part under a comment that says where it is applied; "#" is a comment for ip -batch too.
 */
export function textOfPlans({ bridge, pair }: Plans): string {
  const linesOf = (commands: readonly LinkCommand[] = []): string[] => commands.map(textOf);
  const parts: [string, readonly string[]][] = [
    ['ip -batch: make the bridge', linesOf(bridge.create)],
    ['sysctl of the bridge', bridge.sysctls.map(({ file, value }) => `${file} = ${value}`)],
    ['ip -batch: make the gateway of the VLAN', linesOf(bridge.vlanGateway?.create)],
    ['bridge -batch: VLANs of the gateway', linesOf(bridge.vlanGateway?.vlans)],
    ['ip -batch: keep the bridge, make the pair', linesOf([...bridge.keep, ...pair.host])],
    ['bridge -batch: VLANs and MAC of the port', linesOf(pair.vlans)],
    ['sysctl in the container', pair.sysctls.map(({ file, value }) => `${file} = ${value}`)],
    ['ip -batch in the container', linesOf(pair.container)],
    ['ip -batch on the host, last', linesOf(pair.raise)],
    ['ip -batch in the container, when the bridge forwards', linesOf(pair.announce)],
  ];
  return parts
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => `# ${title}\n${lines.join('\n')}\n`)
    .join('\n');
}
