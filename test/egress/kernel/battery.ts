import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { compilePolicy } from '../../../src/egress/compile.ts';
import { egressElements, guardElements, linkLocalOf } from '../../../src/dataplane/elements/egress.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';
import type { Policy } from '../../../src/egress/policy.ts';
import { interfacePart, type Element } from '../../../src/nft/element.ts';
import { rebuildText } from '../../../src/dataplane/transaction.ts';
import type { AttachmentRecord } from '../../../src/records/record.ts';
import { groupsOf } from '../../../src/records/sections.ts';

/** A container of the battery, with the policy that it is under; none for one that nobody polices. */
export interface Subject {
  readonly name: string;
  readonly bridge: string;
  readonly port: string;
  readonly mac: string;
  readonly ip4: string;
  readonly ip6: string;
  readonly fe80: string;
  readonly gateway4: string;
  readonly gateway6: string;
  readonly serves: boolean;
  readonly policy: Policy | undefined;
}

export interface Probe {
  readonly id: string;
  readonly from: string;
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  readonly address: string;
  readonly port?: number;
  readonly sport?: number;
}

export interface Stage {
  /** What a command of `run` printed is found under this name and its number: "listing 0". */
  readonly name?: string;
  readonly nft?: string;
  readonly run?: readonly (readonly string[])[];
  readonly probes?: readonly Probe[];
  readonly attacks?: readonly string[];
  readonly patience?: number;
}

/**
 * Containers on db0, except those named in `away`, which are on db1, and in `lone`, which have no bridge; policies as
 * in a conf.
 */
export function subjects(
  policies: Readonly<Record<string, object | undefined>>,
  {
    serving = [],
    away = [],
    lone = [],
  }: { serving?: readonly string[]; away?: readonly string[]; lone?: readonly string[] } = {},
): Subject[] {
  return Object.entries(policies).map(([name, raw], index) => {
    const number = index + 10;
    const port = `veth${number}`;
    const [bridge, second] = lone.includes(name) ? [port, 90] : away.includes(name) ? ['db1', 89] : ['db0', 88];
    const mac = `02:00:00:00:00:${number.toString(16).padStart(2, '0')}`;
    return {
      name,
      bridge,
      port,
      mac,
      gateway4: `10.${second}.0.1`,
      gateway6: `fd00:${second}::1`,
      ip4: `10.${second}.0.${number}`,
      ip6: `fd00:${second}::${number}`,
      fe80: linkLocalOf(mac),
      serves: serving.includes(name),
      policy: raw === undefined ? undefined : parsePolicy(raw, 'egress'),
    };
  });
}

/** The record that a plugin would have written for a container. */
export function recordOf({ name, bridge, port, mac, ip4, ip6, gateway4, gateway6, policy }: Subject): AttachmentRecord {
  const base = {
    version: 2,
    network: 'test',
    containerId: name,
    ifname: 'eth0',
    key: name,
    netns: '',
    netnsInode: '',
    createdAt: '',
    state: 'ready',
  } as const;
  if (policy === undefined) return base;
  return {
    ...base,
    egress: {
      ingressInterface: bridge,
      ...(bridge === port ? {} : { port }),
      mac,
      addresses: [ip4, ip6],
      gateways: [gateway4, gateway6],
      policy,
      policyId: compilePolicy(policy).id,
    },
  };
}

/** Both tables with everything in them. `extra` are elements of others. */
export function ruleset(all: readonly Subject[], extra: readonly Element[] = []): string {
  const records = all.map(recordOf);
  const groups = new Map(records.flatMap(groupsOf).map((group) => [group.id, group]));
  const bridges = [...new Set(all.map(({ bridge }) => bridge))].map((bridge): Element => ({
    table: 'inet drawbridge',
    set: 'bridges',
    key: [interfacePart(bridge)],
  }));
  return rebuildText({
    groups: [...groups.values()],
    elements: [
      ...bridges,
      ...extra,
      ...records.flatMap((record) => [...egressElements(record), ...guardElements(record)]),
    ],
  });
}

/** Runs the stages on a private host; needs root, and scapy of the system's Python. */
export async function battery(
  containers: readonly Subject[],
  stages: readonly Stage[],
): Promise<Record<string, string | string[]>> {
  const program = fileURLToPath(new URL('battery.py', import.meta.url));
  return new Promise((resolve, reject) => {
    const child = execFile(
      'unshare',
      ['--net', '--mount', '--propagation', 'private', '/usr/bin/python3', program],
      { timeout: 100_000, maxBuffer: 1 << 26 },
      (error, stdout, stderr) => {
        if (error === null) resolve(JSON.parse(stdout) as Record<string, string | string[]>);
        else reject(new Error(`${error.message}\n${stderr}`));
      },
    );
    child.stdin?.end(JSON.stringify({ containers, stages }));
  });
}
