/**
 * What stays when somebody else removes our tables (`nft flush ruleset`): a gate that lets nothing of an enforced
 * interface pass that our tables have not marked.
 *
 *   ip rule     forwards only what `table inet drawbridge` has marked; behind every enforced interface
 *   tc filter   lets only what `table bridge drawbridge` has marked come up from a bridge to the host: what is
 *               addressed to the host itself is found in routing table "local", which no rule of ours precedes
 *
 * An isolated port stays isolated besides. Behind a lone veth (ptp) there is no bridge table to set a mark: there the
 * repair of the agent is the only second line for what is addressed to the host.
 */
import { bridgeMark, gateMark, hex } from './marks.ts';

/** An interface behind which containers have a policy. */
export interface GatedInterface {
  readonly name: string;
  /** Otherwise it is a lone veth. */
  readonly isBridge: boolean;
}

/** One part of the gate of an interface: lines for `program -batch`. */
export interface GatePart {
  readonly kind: 'IPv4 routing rule' | 'IPv6 routing rule' | 'bridge filter';
  readonly interface: string;
  readonly program: 'ip' | 'tc';
  readonly family?: '-4' | '-6';
  /** A line that says "exists" has been carried out already; the ones after it are still to come. */
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

/** What `tc -json filter show` prints of a filter, as far as ours is known by it. */
export interface ShownFilter {
  readonly kind: string;
  readonly pref: number;
  readonly options?: {
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

/** Before the tables that others use ("main" is 32766), after "local" (0). Of the filter: any number that is ours. */
export const gatePreference = 90;

/** The parts of an interface's gate. `ipv6` is whether the kernel has it. */
export function planGate({ name, isBridge }: GatedInterface, { ipv6 }: { readonly ipv6: boolean }): GatePart[] {
  return [ruleOf(name, 4), ...(ipv6 ? [ruleOf(name, 6)] : []), ...(isBridge ? [filterOf(name)] : [])];
}

/** Line for `ip -batch` that keeps a port from the other isolated ports of its bridge, with or without our tables. */
export function planPortIsolation(port: string, isolated: boolean): string[] {
  return [`link set dev ${port} type bridge_slave isolated ${isolated ? 'on' : 'off'}`];
}

/** Words for `ip rule show` that find the routing rule. */
export function gateSelector(name: string): string[] {
  return ['pref', String(gatePreference), 'iif', name];
}

/** Whether a filter is that of a gate, and not somebody else's at the same place. */
export function isGateFilter({ kind, pref, options }: ShownFilter): boolean {
  const shown = options?.bytecode?.insns?.map(({ code, jt, jf, k }) => [code, jt, jf, k].join(' '));
  return kind === 'bpf' && pref === gatePreference && shown?.join(',') === instructions.join(',');
}

/** IPv4 answers EHOSTUNREACH and IPv6 EACCES when the gate is shut. */
function ruleOf(name: string, version: 4 | 6): GatePart {
  const rule = `pref ${gatePreference} iif ${name} fwmark 0x0/${hex(gateMark)} prohibit`;
  return {
    kind: `IPv${version} routing rule`,
    interface: name,
    program: 'ip',
    family: `-${version}`,
    add: [`rule add ${rule}`],
    remove: [`rule del ${rule}`],
  };
}

/** The queueing discipline may be there already, with filters of others. */
function filterOf(name: string): GatePart {
  const filter = `dev ${name} ingress protocol all pref ${gatePreference} handle 1 bpf`;
  const program = `${instructions.length},${instructions.join(',')}`;
  return {
    kind: 'bridge filter',
    interface: name,
    program: 'tc',
    add: [`qdisc add dev ${name} clsact`, `filter replace ${filter} direct-action bytecode "${program}"`],
    remove: [`filter del ${filter}`],
  };
}

/** Where the mark stands among what the kernel knows of a packet besides its bytes (SKF_AD_OFF + SKF_AD_MARK of linux/filter.h). */
const packetMark = 0xfffff000 + 20;
/** Verdicts of linux/pkt_cls.h: "ask the next filter", "drop". */
const [unspecified, shot] = [0xffffffff, 2];

/**
 * Drops what does not carry the mark, in the classic BPF that `tc` takes as text (code, jump if true, jump if false,
 * operand: linux/filter.h). Every kernel with cls_bpf runs it; filters that know a mark by name are often left out.
 */
const instructions = [
  [0x20, 0, 0, packetMark],
  [0x45, 0, 1, bridgeMark],
  [0x06, 0, 0, unspecified],
  [0x06, 0, 0, shot],
].map((instruction) => instruction.join(' '));
