/*
 * /var/lib/drawbridge/quotas.json   0600, written whole
 *   { "version": 1, "used": { KEY: { "start": milliseconds since 1970, "bytes" } } }
 *
 * How much of its quota each attachment has used in the period that began at "start". The kernel counts; this is what
 * it counted when somebody looked last, for when the rules are written anew and after a reboot. The key is that of the
 * attachment, so a container that is attached again goes on where it was.
 */
import { periodStart, quotaChain, quotaRule } from '../egress/quota.ts';
import { readQuotas } from '../host/netlink/nftables/quotas.ts';
import { stateDir } from '../host/paths.ts';
import { readText, writeWhole } from '../host/state-file.ts';
import type { RuleGroup } from '../nft/group.ts';

/** What an attachment used in a period. */
export interface QuotaUse {
  readonly start: number;
  readonly bytes: number;
}

const file = `${stateDir}/quotas.json`;
/** Milliseconds: what was used so long ago is of no period any more. */
const longestPeriod = 32 * 24 * 3600 * 1000;

/** What was used when somebody looked last, by the attachment's key; nothing where it cannot be read. */
export function rememberedUse(): ReadonlyMap<string, QuotaUse> {
  try {
    const { version, used } = JSON.parse(readText(file) ?? '{}') as { version?: unknown; used?: object };
    if (version !== 1) return new Map();
    return new Map(
      Object.entries(used ?? {}).filter((entry): entry is [string, QuotaUse] => {
        const { start, bytes } = (entry[1] ?? {}) as Partial<QuotaUse>;
        return typeof start === 'number' && typeof bytes === 'number';
      }),
    );
  } catch {
    return new Map();
  }
}

/**
 * Bytes that were used by now, by the attachment's key: what the kernel has counted, and what was remembered where it
 * does not tell.
 */
export function currentUse(groups: readonly RuleGroup[]): ReadonlyMap<string, number> {
  if (!haveQuotas(groups)) return new Map();
  const counted = readQuotas('drawbridge', '_quota');
  const known = rememberedUse();
  return new Map(
    groups.flatMap(({ id, quota }) =>
      quota === undefined
        ? []
        : [[quota.key, counted?.get(quotaChain(id)) ?? known.get(quota.key)?.bytes ?? 0] as const],
    ),
  );
}

/** Whether any of the groups counts. */
export function haveQuotas(groups: readonly RuleGroup[]): boolean {
  return groups.some(({ quota }) => quota !== undefined);
}

/**
 * Remembers what the kernel has counted of the groups by now, in the periods that were begun. Called under the lock of
 * the tables. Throws code 5 when it cannot be written.
 */
export function rememberUse(groups: readonly RuleGroup[], now = Date.now()): void {
  if (!haveQuotas(groups)) return;
  const counted = readQuotas('drawbridge', '_quota');
  if (counted === undefined) return;
  const known = new Map(rememberedUse());
  for (const { id, quota } of groups) {
    const bytes = counted.get(quotaChain(id));
    if (quota === undefined || bytes === undefined) continue;
    const { key, per } = quota;
    const before = known.get(key) ?? { start: periodStart(per, now), bytes: 0 };
    known.set(key, { start: before.start, bytes: Math.max(before.bytes, bytes) });
  }
  write(known, now);
}

/**
 * Groups whose rules go on where they were in this period, and begin anew in the next. Called under the lock of the
 * tables. Throws code 5.
 */
export function withUse(groups: readonly RuleGroup[], now = Date.now()): RuleGroup[] {
  if (!haveQuotas(groups)) return [...groups];
  const known = new Map(rememberedUse());
  const counted = groups.map((group): RuleGroup => {
    const { chains, quota } = group;
    if (quota === undefined) return group;
    const start = periodStart(quota.per, now);
    const before = known.get(quota.key);
    const bytes = before?.start === start ? before.bytes : 0;
    known.set(quota.key, { start, bytes });
    return { ...group, chains: chains.map((chain) => ({ ...chain, rules: [quotaRule(quota.bytes, bytes)] })) };
  });
  write(known, now);
  return counted;
}

/** Those of the groups whose period is over. */
export function outOfPeriod(groups: readonly RuleGroup[], now = Date.now()): RuleGroup[] {
  const known = rememberedUse();
  return groups.filter(({ quota }) => {
    const use = quota === undefined ? undefined : known.get(quota.key);
    return quota !== undefined && use?.start !== periodStart(quota.per, now);
  });
}

function write(known: ReadonlyMap<string, QuotaUse>, now: number): void {
  const used = [...known].filter(([, { start }]) => now - start < longestPeriod);
  const text = `${JSON.stringify({ version: 1, used: Object.fromEntries(used) })}\n`;
  if (text !== readText(file)) writeWhole(file, text, `Cannot write "${file}"`);
}
