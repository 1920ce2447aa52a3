import { readDenials } from '../../repair/survey/denials.ts';
import type { HostState } from '../host-state.ts';
import type { LivePolicies } from '../live-policies.ts';
import type { NamesService } from '../names-service.ts';
import type { Sweep } from '../sweep.ts';
import type { Monitors } from '../watch/monitors.ts';
import { leaseUse } from './lease-use.ts';
import type { MetricsSource } from './metrics.ts';

/** Where the numbers come from that are read when somebody asks. */
export function metricsSource({
  version,
  state,
  names,
  policies,
  sweep,
  monitors,
}: {
  readonly version: string;
  readonly state: HostState;
  readonly names: NamesService;
  readonly policies: LivePolicies;
  readonly sweep: Sweep;
  readonly monitors: Monitors;
}): MetricsSource {
  return {
    version,
    attachments: () => ({ ready: state.records.length, broken: state.broken.length, dead: sweep.dead.length }),
    names: () => new Set(state.work.refreshed.flatMap((policy) => policy.names.map(({ name }) => name))).size,
    openAddresses: () => names.open.length,
    invalidPolicies: () => [...policies.invalid.keys()],
    blindWatches: () => monitors.blind,
    denials: async () => {
      const enforced = state.records.filter(({ egress }) => egress !== undefined);
      const counts = await readDenials(enforced);
      return enforced.map(({ key, network, containerId, ifname }) => ({
        labels: { network, container: containerId, ifname },
        packets: counts.get(key) ?? 0,
      }));
    },
    leases: () => leaseUse(state.records),
  };
}
