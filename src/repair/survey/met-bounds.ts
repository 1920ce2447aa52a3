import { mostConnections } from '../../dataplane/elements/egress.ts';
import { mostToOne, newConnections } from '../../egress/connections.ts';
import { bounds, metMinutes, type BoundKind } from '../../egress/bounds.ts';
import { askAgent } from '../../host/agent-socket.ts';
import { readSet, type HeldElement } from '../../host/held-tables.ts';
import { ageOf } from '../../records/age.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { addressesOf, hostInterfacesOf, ingressInterfaceOf } from '../../records/sections.ts';
import { durationWords } from './words.ts';

/** A bound that an attachment has met in the last hour. */
export interface BoundReport {
  readonly bound: BoundKind;
  /** Packets that were over it, in this hour. */
  readonly packets: number;
  /** Seconds since the last one. */
  readonly ago: number;
}

/** Which bounds each attachment met, by the record's key; of those that met none nothing. */
export async function readMetBounds(records: readonly AttachmentRecord[]): Promise<Map<string, BoundReport[]>> {
  const [asked, ...sets] = await Promise.all([
    askAgent('bounds'),
    readSet('met4'),
    readSet('met6'),
    readSet('guard_met', 'bridge drawbridge'),
  ]);
  const ofNames = Array.isArray(asked) ? asked.flatMap(boundOfNames) : [];
  const byPlace = Map.groupBy(
    sets.flatMap((set) => set ?? []),
    ({ parts }) => parts.slice(0, -1).join(' '),
  );
  return new Map(
    records.flatMap((record) => {
      const from = ingressInterfaceOf(record);
      const places = [...addressesOf(record).map((address) => `${from} ${address}`), ...hostInterfacesOf(record)];
      // An address, and an interface's name, may have been another container's within the hour.
      const isOwn = ({ ago }: BoundReport): boolean => ago * 1000 <= ageOf(record) + 1000;
      const addresses = addressesOf(record);
      const met = [
        ...places.flatMap((place) => (byPlace.get(place) ?? []).flatMap(metBound)),
        ...ofNames.flatMap(({ source, ...one }) => (addresses.includes(source) ? [one] : [])),
      ].filter(isOwn);
      return met.length === 0 ? [] : [[record.key, summed(met)] as const];
    }),
  );
}

/** Sentences without a subject and a period: "met its bound of …". */
export function metWords(record: AttachmentRecord, met: readonly BoundReport[]): string[] {
  return met.map(
    ({ bound, packets, ago }) =>
      `met its bound of ${boundWords(bound, record)} ${durationWords(ago)} ago: ${bound.effect} (${packets} in this hour)`,
  );
}

/** What its bound is, with its number. */
function boundWords({ name, what }: BoundKind, { egress }: AttachmentRecord): string {
  if (egress === undefined) return what;
  const most = mostConnections(egress);
  switch (name) {
    case 'connections':
      return `${most} ${what}`;
    case 'begun':
      return `${newConnections(most).perSecond} ${what}`;
    case 'destination':
      return `${mostToOne(most)} ${what}`;
    default:
      return what;
  }
}

function metBound({ parts, packets = 0, expires = 0 }: HeldElement): BoundReport[] {
  const bound = bounds.find(({ number }) => String(number) === parts.at(-1));
  return bound === undefined ? [] : [{ bound, packets, ago: Math.max(0, metMinutes * 60 - expires) }];
}

/** What the agent answered, of a version that may know other bounds. */
function boundOfNames(raw: unknown): (BoundReport & { readonly source: string })[] {
  const { source, bound: name, packets, ago } = (raw ?? {}) as Record<string, unknown>;
  const bound = bounds.find((one) => one.name === name);
  if (bound === undefined || typeof source !== 'string') return [];
  return typeof packets === 'number' && typeof ago === 'number' ? [{ source, bound, packets, ago }] : [];
}

/** A container has an address of each family. */
function summed(met: readonly BoundReport[]): BoundReport[] {
  return [...Map.groupBy(met, ({ bound }) => bound).entries()]
    .map(([bound, own]) => ({
      bound,
      packets: own.reduce((sum, { packets }) => sum + packets, 0),
      ago: Math.min(...own.map(({ ago }) => ago)),
    }))
    .toSorted((one, other) => one.bound.number - other.bound.number);
}
