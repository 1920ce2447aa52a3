import { describe, expect, test } from 'vitest';
import { learnPolicy } from '../../src/cli/learn/entries.ts';
import { parsePolicy } from '../../src/egress/parse.ts';

describe('learnPolicy()', () => {
  test('keeps what the policy says besides, so that nothing becomes wider or narrower by being learnt', () => {
    const before = {
      mode: 'allowlist',
      preset: ['registries'],
      allow: ['8.8.8.8:443'],
      allowPrivate: ['10.1.2.3:5432/tcp'],
      deny: ['203.0.113.0/24'],
      hostPorts: ['53/udp', '80/tcp'],
      isolation: 'bridge',
      ingress: 'open',
      ipv6: 'disable',
      refreshIntervalMinutes: 5,
      dns: { upstream: ['9.9.9.9'], denied: 'nxdomain' },
      onDeny: 'drop',
    };
    const { policy } = learnPolicy(parsePolicy({ ...before, audit: true }, ''), []);
    const plain = (raw: unknown) =>
      JSON.parse(
        JSON.stringify(parsePolicy(raw, ''), (key, value) => (key === 'source' ? undefined : (value as unknown))),
      ) as object;
    expect(plain(policy)).toEqual(plain(before));
  });

  test('drops the preset "none" where something is learnt, since it lists nothing', () => {
    const wanted = {
      destination: '8.8.8.8',
      protocol: 'tcp',
      port: 443,
      names: [],
      verdict: { verdict: 'deny', rule: 'mode "allowlist"', reason: '' } as const,
    };
    const none = parsePolicy({ mode: 'allowlist', preset: ['none'], audit: true }, '');
    expect(learnPolicy(none, [wanted]).policy).toEqual({ mode: 'allowlist', allow: ['8.8.8.8:443/tcp'] });
    expect(learnPolicy(none, []).policy).toEqual({ mode: 'allowlist', preset: ['none'] });
  });
});
