import { openedAddress } from '../dataplane/elements/egress.ts';
import type { Element } from '../nft/element.ts';
import type { RefreshReport } from './names/refresh.ts';
import type { ServiceHealth } from './health.ts';
import type { LastRepair } from './repair-history.ts';
import type { RunningProgram } from './services/programs.ts';
import type { DeadAttachment } from './services/sweep.ts';

/** What the method "status" of the socket answers. */
export interface AgentStatus {
  readonly protocol: 1;
  readonly version: string;
  readonly pid: number;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly attachments: number;
  readonly names: number;
  readonly openAddresses: number;
  readonly dns: {
    readonly addresses: readonly string[];
    readonly queries: number;
    readonly problems: readonly string[];
  };
  /** Policies whose file cannot be used; their last valid version is in force. */
  readonly invalidPolicies: readonly { readonly policy: string; readonly why: string }[];
  readonly dead: readonly DeadAttachment[];
  readonly repairs: number;
  /** The last ones, newest first. */
  readonly lastRepairs: readonly LastRepair[];
  /** Programs that the agent runs or is, as they are on the host now. */
  readonly programs: readonly RunningProgram[];
  /** What each part of the agent cannot do now. */
  readonly services: readonly ServiceHealth[];
  /** All of that in one list of sentences. */
  readonly problems: readonly string[];
}

/** What the method "names" answers, one for each name. */
export interface NameStatus {
  readonly name: string;
  readonly addresses: readonly { readonly address: string; /** Absent: without end. */ readonly seconds?: number }[];
  readonly problems: readonly string[];
}

/** Every name with what it has open, those without an address too. */
export function namesStatus(
  open: readonly Element[],
  names: Iterable<string>,
  reports: ReadonlyMap<string, RefreshReport>,
): NameStatus[] {
  const byName = Map.groupBy(open, ({ comment }) => comment ?? '');
  return [...new Set([...names, ...byName.keys()])].toSorted().map((name) => {
    const addresses = (byName.get(name) ?? []).map((element) => ({
      address: openedAddress(element),
      ...(element.timeout === undefined ? {} : { seconds: element.timeout }),
    }));
    return {
      name,
      addresses: [...new Map(addresses.map((one) => [one.address, one])).values()],
      problems: reports.get(name)?.problems ?? [],
    };
  });
}
