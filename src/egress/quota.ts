import { InvalidValueError } from '../cni/errors.ts';
import type { Fields } from '../cni/fields.ts';
import { sha256 } from '../digest/sha256.ts';
import { policyTable } from './key-table.ts';
import type { RuleGroup } from '../nft/group.ts';
import { policyChain } from './policy-names.ts';
import { refuseNull } from './policy-fields.ts';
import type { Policy, Quota, QuotaPeriod } from './policy.ts';

const { keys: quotaKeys } = policyTable.quota;
const quotaPeriods: readonly QuotaPeriod[] = quotaKeys.per.values;

/** Bytes of the units that a quota is written in: powers of 1000, and those of 1024 by the names of IEC 80000-13. */
const units: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Reads `{"bytes": "10GB", "per": "day"}`. Throws code 7. */
export function parseQuota(fields: Fields): Quota {
  refuseNull(fields.only(Object.keys(quotaKeys)));
  const raw = fields.raw('bytes');
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?) ?([a-zA-Z]*)$/.exec(String(raw)) ?? [];
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  const bytes = Math.round(Number(number) * (factor ?? Number.NaN));
  if (!['string', 'number'].includes(typeof raw) || number === '' || !Number.isSafeInteger(bytes) || bytes < 1)
    throw fields.invalid('bytes', 'a number of bytes, as in "10GB", "500MB", "1.5GiB" or 1000000');
  const per = fields.string('per') ?? 'day';
  const period = quotaPeriods.find((one) => one === per);
  if (period === undefined)
    throw new InvalidValueError(
      fields.at('per'),
      `"${per}" is no period`,
      `Expected one of ${quotaPeriods.map((one) => `"${one}"`).join(', ')}`,
    );
  return { bytes, per: period };
}

/**
 * The chain that counts what passes of one attachment, both ways and of both families: its rule ends what is over. The
 * id is that of attachment and quota, so another quota is another chain.
 */
export function quotaGroups(key: string, { quota }: Pick<Policy, 'quota'>): RuleGroup[] {
  if (quota === undefined) return [];
  const id = sha256(`quota ${key} ${quota.bytes}`).slice(0, 16);
  return [
    {
      id,
      sets: [],
      chains: [{ table: 'inet drawbridge', name: quotaChain(id), rules: [quotaRule(quota.bytes, 0)] }],
      quota: { key, ...quota },
    },
  ];
}

/** The chain of a group of {@link quotaGroups}. */
export function quotaChain(id: string): string {
  return `${policyChain(id)}_quota`;
}

/** The rule that counts; `used` bytes have passed already. */
export function quotaRule(bytes: number, used: number): string {
  return `quota over ${bytes} bytes used ${Math.min(used, bytes)} bytes goto quota_over`;
}

/**
 * When the period of a moment began, or the one so many `ahead` of it begins, by the clock of this host; milliseconds
 * since 1970. Weeks begin on Monday.
 */
export function periodStart(per: QuotaPeriod, now: number, ahead = 0): number {
  const date = new Date(now);
  const [year, month, day] = [date.getFullYear(), date.getMonth(), date.getDate()];
  switch (per) {
    case 'hour':
      return new Date(year, month, day, date.getHours() + ahead).getTime();
    case 'day':
      return new Date(year, month, day + ahead).getTime();
    case 'week':
      return new Date(year, month, day - ((date.getDay() + 6) % 7) + 7 * ahead).getTime();
    case 'month':
      return new Date(year, month + ahead, 1).getTime();
  }
}
