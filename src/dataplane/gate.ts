/**
 * What stays when somebody else removes our tables (`nft flush ruleset`): a gate that lets nothing of an enforced
 * interface pass that our tables have not marked.
 *
 *   ip rule       forwards only what `table inet drawbridge` has marked; behind every enforced bridge
 *   tc filter     lets only what `table bridge drawbridge` has marked come up from a bridge to the host: what is
 *                 addressed to the host itself is found in routing table "local", which no rule of ours precedes
 *
 * On a bridge that has foreign ports too (a NIC, a VM's tap), both ask this only of what containers send, and besides:
 *
 *   port filter     marks what comes in by the port of a container
 *   foreign filter  lets nothing of that leave by a foreign port which `table inet drawbridge` has not judged: from
 *                   port to port no routing rule sees it
 *
 * An isolated port stays isolated besides, and no port of a container with a policy learns. Behind a lone veth (routed,
 * or of ptp) there is no bridge table to set a mark:
 *
 *   veth filter     marks what comes in by the veth, and lets its container speak ARP for its own addresses alone
 *   veth rule       lets nothing of that pass which `table inet drawbridge` has not marked. It stands before the rule
 *   of
 *                   table "local", so that it holds for what is addressed to the host too; and it is one for all
 *                   veths: with one for each, a packet would cost 5 ns for every container there is
 *
 * Where the kernel takes no such filter, a routing rule for each lone veth is all there is.
 */
import { familyOf } from '../ip/family.ts';
import type { FilterPlace, FilterProgram, LinkCommand } from '../links/command.ts';
import type { SysctlValue } from '../links/sysctl-value.ts';
import { bridgeMark, gateMark, portMark, vethMark } from '../egress/marks.ts';

/** An interface behind which containers have a policy. */
export interface GatedInterface {
  readonly name: string;
  /** The bridge that its packets come from, where that is not the interface itself (a gateway in a VLAN). */
  readonly bridge?: string;
  /** Whether its packets come from a bridge; otherwise it is a lone veth. */
  readonly isBridge: boolean;
  /** Ports of enforced containers on it. */
  readonly ports?: readonly string[];
  /** Ports of it that lead elsewhere than to a container. */
  readonly foreign?: readonly string[];
  /** Of a lone veth: what the container has, without prefix length. */
  readonly addresses?: readonly string[];
  /** Of a lone veth on a kernel that takes no filter that marks. */
  readonly isUnmarked?: boolean;
}

/** One part of the gate of an interface. */
export interface GatePart {
  readonly kind:
    | 'IPv4 routing rule'
    | 'IPv6 routing rule'
    | 'bridge filter'
    | 'port filter'
    | 'foreign filter'
    | 'veth filter'
    | 'IPv4 veth rule'
    | 'IPv6 veth rule';
  /** "*" of what all lone veths have in common. */
  readonly interface: string;
  /** Whether foreign ports go on without our tables. */
  readonly sparesForeign: boolean;
  /** A filter that sets this bit, which no line of `tc` can say on every kernel. */
  readonly mark?: number;
  /** Addresses that ARP may come from, where only IP is marked. */
  readonly speakers?: readonly string[];
  /** One that fails with "exists" has been carried out already; the ones after it are still to come. */
  readonly add: readonly LinkCommand[];
  readonly remove: readonly LinkCommand[];
}

/** What `tc -json filter show` prints of a filter, as far as ours is known by it. */
export interface ShownFilter {
  readonly kind: string;
  readonly pref: number;
  readonly options?: {
    readonly bpf_name?: string;
    readonly bytecode?: {
      readonly insns?: readonly {
        readonly code: number;
        readonly jt: number;
        readonly jf: number;
        readonly k: number;
      }[];
    };
  };
}

/**
 * With rp_filter on (the default of most distributions) IPv4 looks up the way back of what is sent to a container,
 * as if the container were sending: that lookup meets the gate too. It uses the packet's mark only with this sysctl
 * (ip-sysctl.rst, src_valid_mark), which is why the layout marks what goes to enforced containers.
 */
export const gateSysctl = { file: 'ipv4/conf/all/src_valid_mark', value: '1' };

/**
 * Has a bridge answer ARP for the addresses that it has itself, and not for others of the host (ip-sysctl.rst,
 * arp_ignore): a container learns nothing of its other networks. A LAN behind a foreign port may rely on the rest.
 */
export function quietSysctl(bridge: string): SysctlValue {
  return {
    file: `ipv4/conf/${bridge}/arp_ignore`,
    value: '1',
    without: 'containers learn from answers to ARP which addresses the host has',
  };
}

/** Before the tables that others use ("main" is 32766), after "local" (0). Of the filter: any number that is ours. */
export const gatePreference = 90;

/** Name of the program of a port filter. */
export const portFilterLabel = 'drawbridge';

/** The parts of an interface's gate. `ipv6` is whether the kernel has it. */
export function planGate(
  { name, isBridge, ports = [], foreign = [], addresses = [], isUnmarked = false }: GatedInterface,
  { ipv6 }: { readonly ipv6: boolean },
): GatePart[] {
  const sparesForeign = foreign.length > 0;
  const families = ipv6 ? ([4, 6] as const) : ([4] as const);
  if (!isBridge && !isUnmarked) return [vethFilterOf(name, addresses), ...families.map(vethRuleOf)];
  return [
    ...(sparesForeign ? [...ports.map(portFilterOf), ...foreign.map(foreignFilterOf)] : []),
    ...families.map((version) => ruleOf(name, version, sparesForeign)),
    ...(isBridge ? [bridgeFilterOf(name, sparesForeign)] : []),
  ];
}

/** Stands for all lone veths, in the place of an interface. */
export const everyVeth = '*';

/** Whether all lone veths have a part of a gate in common. */
export function isCommon(part: Pick<GatePart, 'interface'>): boolean {
  return part.interface === everyVeth;
}

/** Whether a filter is this part of a gate, and not somebody else's at the same place. */
export function isGateFilter({ kind, pref, options }: ShownFilter, part: GatePart): boolean {
  if (kind !== 'bpf' || pref !== gatePreference) return false;
  if (part.mark !== undefined) return options?.bpf_name === portFilterLabel;
  const shown = options?.bytecode?.insns?.map(({ code, jt, jf, k }) => [code, jt, jf, k]);
  return JSON.stringify(shown) === JSON.stringify(programOf(part));
}

/** Whether a filter is part of any gate. */
export function isAnyGateFilter(filter: ShownFilter): boolean {
  const kinds = ['bridge filter', 'foreign filter'] as const;
  return (
    isGateFilter(filter, portFilterOf('')) ||
    kinds.some((kind) => [true, false].some((sparesForeign) => isGateFilter(filter, { ...bare, kind, sparesForeign })))
  );
}

const bare = { interface: '', add: [], remove: [] } as const;

/** IPv4 answers EHOSTUNREACH and IPv6 EACCES when the gate is shut. */
function ruleOf(name: string, family: 4 | 6, sparesForeign: boolean): GatePart {
  const rule = {
    family,
    preference: gatePreference,
    ingressInterface: name,
    mark: sparesForeign ? portMark : 0,
    mask: ruleMask(sparesForeign),
  };
  return {
    kind: `IPv${family} routing rule`,
    interface: name,
    sparesForeign,
    add: [{ kind: 'addRule', ...rule }],
    remove: [{ kind: 'deleteRule', ...rule }],
  };
}

/** The rule of table "local", which the kernel makes, and a free place behind it. */
const [localPreference, sparePreference] = [0, 1];

/**
 * A rule that is made goes behind those of its preference: so "local" leaves its place, and comes back. At every moment
 * there is one.
 */
function vethRuleOf(family: 4 | 6): GatePart {
  const rule = { family, preference: localPreference, mark: vethMark, mask: vethMark | gateMark };
  return {
    kind: `IPv${family} veth rule`,
    interface: everyVeth,
    sparesForeign: false,
    add: [
      { kind: 'addRule', ...rule },
      { kind: 'addLocalRule', family, preference: sparePreference },
      { kind: 'deleteLocalRule', family, preference: localPreference },
      { kind: 'addLocalRule', family, preference: localPreference },
      { kind: 'deleteLocalRule', family, preference: sparePreference },
    ],
    remove: [{ kind: 'deleteRule', ...rule }],
  };
}

/** The bits that a routing rule looks at, by which it is known for ours. */
export function ruleMask(sparesForeign: boolean): number {
  return sparesForeign ? portMark | gateMark : gateMark;
}

function bridgeFilterOf(name: string, sparesForeign: boolean): GatePart {
  return filterOf({ ...bare, kind: 'bridge filter', interface: name, sparesForeign }, 'ingress');
}

function foreignFilterOf(name: string): GatePart {
  return filterOf({ ...bare, kind: 'foreign filter', interface: name, sparesForeign: true }, 'egress');
}

function portFilterOf(name: string): GatePart {
  const part = filterOf({ ...bare, kind: 'port filter', interface: name, sparesForeign: true }, 'ingress');
  return { ...part, add: [], mark: portMark };
}

function vethFilterOf(name: string, addresses: readonly string[]): GatePart {
  const speakers = addresses.filter((address) => familyOf(address) === 4);
  return { ...portFilterOf(name), kind: 'veth filter', sparesForeign: false, mark: vethMark, speakers };
}

/** The queueing discipline may be there already, with filters of others. */
function filterOf(part: GatePart, direction: FilterPlace['direction']): GatePart {
  const place = { name: part.interface, direction, preference: gatePreference };
  return {
    ...part,
    add: [
      { kind: 'addFilterQueue', name: part.interface, queue: 'clsact' },
      { kind: 'replaceFilter', ...place, program: programOf(part) },
    ],
    remove: [{ kind: 'deleteFilter', ...place }],
  };
}

/**
 * Where the mark stands among what the kernel knows of a packet besides its bytes (SKF_AD_OFF + SKF_AD_MARK of
 * linux/filter.h).
 */
const packetMark = 0xfffff000 + 20;
/** Verdicts of linux/pkt_cls.h: "ask the next filter", "drop". */
const [unspecified, shot] = [0xffffffff, 2];

/**
 * Drops what does not carry the mark of the table that comes before, in classic BPF. Every kernel with cls_bpf runs it;
 * filters that know a mark by name are often left out.
 */
function programOf({ kind, sparesForeign }: Pick<GatePart, 'kind' | 'sparesForeign'>): FilterProgram {
  const judged = kind === 'foreign filter' ? gateMark : bridgeMark;
  return sparesForeign
    ? [
        [0x20, 0, 0, packetMark],
        [0x45, 0, 2, portMark],
        [0x45, 1, 0, judged],
        [0x06, 0, 0, shot],
        [0x06, 0, 0, unspecified],
      ]
    : [
        [0x20, 0, 0, packetMark],
        [0x45, 0, 1, judged],
        [0x06, 0, 0, unspecified],
        [0x06, 0, 0, shot],
      ];
}
