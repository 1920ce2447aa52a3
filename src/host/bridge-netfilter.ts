import { readFileSync } from 'node:fs';

/** Whether br_netfilter hands bridged packets of a family to the rules of the host; false where it is not loaded. */
export function isBridgeNetfilterOn(): boolean {
  return ['iptables', 'ip6tables'].some((name) => {
    try {
      return readFileSync(`/proc/sys/net/bridge/bridge-nf-call-${name}`, 'utf8').trim() === '1';
    } catch {
      return false;
    }
  });
}
