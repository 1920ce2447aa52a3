import type { Fields } from '../cni/fields.ts';
import type { ConfKeys, KeyTable } from '../cni/known-keys.ts';
import { choiceKeys, policyKeys, policyModes } from '../egress/keys.ts';

/** Capabilities of CONVENTIONS.md, and those of runtimes, as they are spelled there. */
const capabilities: KeyTable = {
  own: leaves(
    'portMappings ipRanges bandwidth dns ips mac infinibandGUID deviceID aliases cgroupPath io.kubernetes.cri.pod-annotations',
  ),
  isOpen: true,
  isCaseSensitive: true,
};

/** What SPEC.md has for every plugin; the runtime's own values are for their readers. */
const protocol = {
  ...leaves('cniVersion name type prevResult runtimeConfig args'),
  capabilities,
} satisfies KeyTable['own'];

const dns: KeyTable = { own: leaves('nameservers domain search options') };

const range = leaves('subnet rangeStart rangeEnd gateway exclude');

const routes: KeyTable = { own: leaves('dst gw mtu advmss priority table scope') };

const hostLocal: KeyTable = {
  own: { ...leaves('type dataDir resolvConf sticky'), ...range, ranges: { own: range }, routes },
  elsewhere: (key) =>
    /^(egress|ipMasq|isGateway|isDefaultGateway|bridge)$/iu.test(key) ? 'beside "ipam", not in it' : undefined,
};

/** Of the object of another plugin than host-local only that plugin knows the keys. */
function ipamTable(holder: Fields): KeyTable | undefined {
  const ipam = holder.raw('ipam');
  const isObject = typeof ipam === 'object' && ipam !== null && !Array.isArray(ipam);
  const type = isObject ? new Map(Object.entries(ipam)).get('type') : undefined;
  return type === undefined || type === '' || type === 'host-local' ? hostLocal : undefined;
}

/** The keys of `drawbridge`, and of the reference's bridge that it is a superset of. */
const interfaceKeys = {
  ...protocol,
  ...leaves('bridge isGateway isDefaultGateway forceAddress ipMasq ipMasqBackend mtu hairpinMode promiscMode vlan'),
  ...leaves(
    'metric group_fwd_mask noMasquerade preserveDefaultVlan macspoofchk disableContainerInterface portIsolation enabledad snat egress awaitsPolicy',
  ),
  vlanTrunk: { own: leaves('minID maxID id') },
  ipam: ipamTable,
  dns,
} satisfies KeyTable['own'];

/** Keys that only a policy has: beside its object they do nothing, and a container stays open. In small letters. */
const policyOnly = new Set<string>(
  [...policyKeys, ...choiceKeys].filter((key) => !(key in interfaceKeys)).map((key) => key.toLowerCase()),
);

/** Modes of macvlan and ipvlan are another plugin's. */
function isOfPolicy(key: string, value: unknown): boolean {
  return key === 'mode' ? policyModes.some((mode) => mode === value) : policyOnly.has(key);
}

const bandwidth = 'ingressRate ingressBurst egressRate egressBurst unshapedSubnets shapedSubnets';

const tables: Readonly<Record<string, KeyTable>> = {
  drawbridge: {
    own: {
      ...interfaceKeys,
      ...leaves('routed kubernetes'),
      tap: { own: leaves('name owner group multiQueue vnetHeader onHost ephemeral manual') },
    },
    elsewhere: (key, value) =>
      isOfPolicy(key.toLowerCase(), value) ? 'under "egress", or to the plugin "egress-policy"' : undefined,
  },
  // It refuses every key of a policy that it does not know by itself.
  'egress-policy': { own: { capabilities }, isOpen: true },
  bridge: { own: interfaceKeys },
  // It is given the whole configuration of the plugin that runs it.
  'host-local': { own: { ...protocol, ipam: ipamTable }, isOpen: true },
  portmap: {
    own: {
      ...protocol,
      ...leaves('snat backend markMasqBit externalSetMarkChain masqAll conditionsV4 conditionsV6'),
    },
  },
  firewall: {
    own: { ...protocol, ...leaves('backend iptablesAdminChainName firewalldZone ingressPolicy') },
  },
  tuning: { own: { ...protocol, ...leaves('sysctl mac promisc mtu allmulti txQLen dataDir') } },
  bandwidth: { own: { ...protocol, ...leaves(bandwidth) } },
  loopback: { own: {}, isOpen: true },
  'tc-redirect-tap': { own: { ...protocol, tap: { own: leaves('name owner group multiQueue vnetHeader') } } },
};

/** Keys of the reference's other plugins, and those that list files of runtimes have: people move and keep them. */
const foreign = new Set(
  [
    ...Object.values(tables).flatMap(({ own }) => Object.keys(own)),
    ...words('master mode linkInContainer bcqueuelen device hwaddr kernelpath pciBusID dpdkMode auxDevice'),
    ...words('vlanId multiQueue owner group selinuxContext addSourceHints table vrfname uplinkInterface'),
    ...words('daemonSocketPath request provide priority skipDefaultRoutes addresses routes subnet ranges'),
    ...words('rangeStart rangeEnd gateway dataDir resolvConf nameservers domain search options'),
    ...words('cniVersions disableCheck disableGC loadOnlyInlinedPlugins plugins nerdctlID nerdctlLabels delegate'),
  ].map((key) => key.toLowerCase()),
);

const served: Readonly<Record<string, readonly string[]>> = {
  drawbridge: ['portMappings', 'ips', 'mac', 'ipRanges', 'dns', 'io.kubernetes.cri.pod-annotations'],
  'egress-policy': ['io.kubernetes.cri.pod-annotations'],
};

/** What the plugin of a type knows of its configuration; undefined for one that is not ours. */
export function keysOf(type: string): ConfKeys | undefined {
  const table = Object.hasOwn(tables, type) ? tables[type] : undefined;
  if (table === undefined) return undefined;
  const acted = served[type];
  return { table, foreign, capabilities: acted ?? [], refusesCapabilities: acted !== undefined };
}

/** The keys of "drawbridge", as its configuration spells them. */
export function interfaceKeyNames(): string[] {
  return Object.keys(tables['drawbridge']?.own ?? {});
}

function leaves(keys: string): Record<string, undefined> {
  return Object.fromEntries(words(keys).map((key) => [key, undefined]));
}

function words(text: string): string[] {
  return text.split(' ');
}
