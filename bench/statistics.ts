/** Middle one of the values; NaN without any. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which such a share of the values lies, between the two next ones in proportion. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/** The middle half of the ratios of one round each: how far the machine's noise goes. */
export function spread(ours: readonly number[], theirs: readonly number[]): readonly [number, number] {
  const ratios = ours.slice(0, theirs.length).map((value, round) => value / (theirs[round] ?? Number.NaN));
  return [quantile(ratios, 0.25), quantile(ratios, 0.75)];
}
