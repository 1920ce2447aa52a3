import { CniError, codes } from './errors.ts';

/** Versions of the specification that every plugin of ours speaks, oldest first. */
export const supportedVersions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export type SpecVersion = (typeof supportedVersions)[number];

export const newestVersion: SpecVersion = '1.1.0';

/** What a configuration without a cniVersion, or with an empty one, means. */
export const assumedVersion: SpecVersion = '0.1.0';

export function isSupported(version: string): version is SpecVersion {
  return (supportedVersions as readonly string[]).includes(version);
}

/**
 * Negative, zero or positive as `left` is older than, equal to or newer than `right`.
 *
 * Compares number by number; a missing minor or micro number is 0. Throws code 6 for a version that is
 * not one to three numbers with dots between (the rule of the reference's pkg/version).
 */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [parseVersion(left), parseVersion(right)];
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

/** Shape that a result has on the wire: versions of one family differ in nothing but the number. */
export type ResultFamily = '0.2' | '0.4' | '1.x';

export function resultFamily(version: SpecVersion): ResultFamily {
  if (version === '0.1.0' || version === '0.2.0') return '0.2';
  return version.startsWith('0.') ? '0.4' : '1.x';
}

function parseVersion(version: string): [number, number, number] {
  if (!/^\d{1,9}(\.\d{1,9}){0,2}$/.test(version)) {
    throw new CniError(
      codes.decodingFailure,
      `Invalid "cniVersion": it is ${JSON.stringify(version)}, one to three numbers with dots between are expected`,
    );
  }
  const [major = 0, minor = 0, micro = 0] = version.split('.').map(Number);
  return [major, minor, micro];
}
