/**
 * What stays when somebody else removes our tables (`nft flush ruleset`): the kernel forwards a policed
 * bridge's packet only when the mark says that our table saw it, and an isolated port stays isolated.
 * What is addressed to the host itself is found in routing table "local", before any rule of ours: there
 * the repair of the agent is the only second line.
 */
import { gateMark } from './layout.ts';

/**
 * With rp_filter on (the default of most distributions) IPv4 looks up the way back of what is sent to a container,
 * as if the container were sending: that lookup meets the gate too. It uses the packet's mark only with this sysctl
 * (ip-sysctl.rst, src_valid_mark), which is why the layout marks what goes to policed containers.
 */
export const gateSysctl = { file: 'ipv4/conf/all/src_valid_mark', value: '1' };

/** Before the tables that others use ("main" is 32766), after "local" (0). */
const gatePreference = 90;

/**
 * Lines for `ip -4 -batch` and, the same, for `ip -6 -batch`: IPv4 answers EHOSTUNREACH and IPv6 EACCES
 * when the gate is shut. "File exists" means that the gate is there.
 */
export function planGate(bridge: string): string[] {
  return [`rule add ${gate(bridge)}`];
}

/** Lines that take the gate out; "No such file or directory" means that it is gone. */
export function planUngate(bridge: string): string[] {
  return [`rule del ${gate(bridge)}`];
}

/** Line for `ip -batch` that keeps a port from the other isolated ports of its bridge, with or without our tables. */
export function planPortIsolation(port: string, isolated: boolean): string[] {
  return [`link set dev ${port} type bridge_slave isolated ${isolated ? 'on' : 'off'}`];
}

/** Words for `ip rule show` that find the gate. */
export function gateSelector(bridge: string): string[] {
  return ['pref', String(gatePreference), 'iif', bridge];
}

function gate(bridge: string): string {
  return `pref ${gatePreference} iif ${bridge} fwmark 0x0/0x${gateMark.toString(16)} prohibit`;
}
