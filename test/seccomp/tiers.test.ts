import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { guestManifest, seccompProfile } from '../../src/seccomp/profile.ts';
import { callsOf, processors, tierNames } from '../../src/seccomp/tiers.ts';

/** The headers of linux-libc-dev. */
const headers = {
  x86_64: '/usr/include/x86_64-linux-gnu/asm/unistd_64.h',
  aarch64: '/usr/include/asm-generic/unistd.h',
} as const;

describe.each(processors)('the tiers of %s', (processor) => {
  test.skipIf(!existsSync(headers[processor]))("name calls of the kernel's table alone", () => {
    const table = readFileSync(headers[processor], 'utf8');
    const known = new Set([...table.matchAll(/^#define __NR(?:3264)?_(\w+)/gm)].map(([, name]) => name));
    expect(callsOf('network', processor)?.filter((name) => !known.has(name))).toEqual([]);
  });

  test('hold what the tier before holds, and more', () => {
    const sizes = tierNames.map((name) => callsOf(name, processor) ?? []);
    for (const [index, calls] of sizes.slice(1, -1).entries()) {
      const before = sizes[index] ?? [];
      expect(before.filter((name) => !calls.includes(name))).toEqual([]);
      expect(calls.length).toBeGreaterThan(before.length);
    }
    expect(callsOf('unrestricted', processor)).toBeUndefined();
  });

  test('name each call once', () => {
    const calls = callsOf('network', processor) ?? [];
    expect(calls).toEqual([...new Set(calls)]);
  });
});

/** The sizes of the document that the tiers are from: "about". */
test.each([
  ['essential', 40],
  ['minimal', 110],
  ['standard', 140],
  ['network', 160],
] as const)('tier %s has about %i calls on x86_64', (tier, size) => {
  const calls = callsOf(tier, 'x86_64')?.length ?? 0;
  expect(Math.abs(calls - size) / size).toBeLessThanOrEqual(0.1);
});

test('a profile lists every call of its tier in one rule, and refuses by default', () => {
  const { defaultAction, defaultErrnoRet, syscalls = [] } = seccompProfile('network', 'x86_64');
  expect({ defaultAction, defaultErrnoRet }).toEqual({ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 1 });
  expect(syscalls.flatMap(({ names }) => names).toSorted()).toEqual(callsOf('network', 'x86_64'));
});

test('the profile of unrestricted is no filter', () => {
  expect(seccompProfile('unrestricted', 'aarch64')).toEqual({ defaultAction: 'SCMP_ACT_ALLOW' });
});

test('the manifest of a guest has the calls of its tier under the name that its init reads', () => {
  expect(guestManifest('essential', 'x86_64')).toEqual({
    tier: 'essential',
    action: 'errno',
    allowed_syscalls: callsOf('essential', 'x86_64'),
  });
});
