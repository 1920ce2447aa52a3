import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { dataText } from '../../../src/nft/element.ts';
import { hostServers } from '../../../src/agent/dns/host-servers.ts';
import type { QueryReport } from '../../../src/agent/dns/answer-query.ts';
import { namesWork } from '../../../src/agent/names/from-records.ts';
import { noteReport } from '../../../src/agent/names/note-report.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';
import { policyId } from '../../../src/egress/policy-id.ts';
import type { AttachmentRecord } from '../../../src/records/record.ts';
import { sample } from '../../records/sample.ts';

function enforced(address: string, conf: Record<string, unknown>, createdAt = '2026-01-01'): AttachmentRecord {
  const policy = parsePolicy(conf, 'the conf');
  const egress = {
    ingressInterface: 'drawbridge0',
    addresses: [address],
    gateways: ['10.88.0.1'],
    policy,
    policyId: policyId(policy),
  };
  return { ...sample({ containerId: `c${address}${createdAt}`, createdAt }), egress };
}

const allowlist = { mode: 'allowlist', allow: ['api.example.org:443'] };

describe('namesWork()', () => {
  test('asks the host’s servers where a policy names none', () => {
    const records = [
      enforced('10.88.0.2', allowlist),
      enforced('10.88.0.3', { ...allowlist, dns: { upstream: ['192.0.2.9'] } }),
    ];
    const { bySource, refreshed } = namesWork(records, ['192.0.2.53']);
    expect([bySource.get('10.88.0.2')?.upstream, bySource.get('10.88.0.3')?.upstream]).toEqual([
      ['192.0.2.53'],
      ['192.0.2.9'],
    ]);
    expect(refreshed.map(({ upstream }) => upstream)).toEqual([[], ['192.0.2.9']]);
  });

  test('lists a policy once, however many containers are under it', () => {
    const { refreshed, gateways, forced } = namesWork(
      [enforced('10.88.0.2', allowlist), enforced('10.88.0.3', allowlist)],
      [],
    );
    expect([refreshed.length, gateways, forced.map(({ key }) => dataText(key)).toSorted()]).toEqual([
      1,
      ['10.88.0.1'],
      ['"drawbridge0" . 10.88.0.2', '"drawbridge0" . 10.88.0.3'],
    ]);
  });

  test('answers every name in the other modes, and forces nobody', () => {
    const { bySource, refreshed, forced } = namesWork([enforced('10.88.0.2', { mode: 'restricted' })], []);
    expect([bySource.get('10.88.0.2')?.names, refreshed, forced]).toEqual(['any', [], []]);
  });

  test('answers nothing under an allowlist without names', () => {
    const { bySource, forced } = namesWork([enforced('10.88.0.2', { mode: 'allowlist', allow: ['8.8.8.8'] })], []);
    expect([bySource.get('10.88.0.2')?.names, forced]).toEqual([[], []]);
  });

  test('gives an address that was used again the policy of the newer attachment', () => {
    const records = [
      enforced('10.88.0.2', allowlist, '2026-02-02'),
      enforced('10.88.0.2', { mode: 'restricted' }, '2026-01-01'),
    ];
    expect(namesWork(records, []).bySource.get('10.88.0.2')?.names).toHaveLength(1);
  });

  test.each([
    ['10.1.2.3', {}, false],
    ['10.1.2.3', { allowPrivate: ['10.1.2.0/24'] }, true],
    ['10.1.3.3', { allowPrivate: ['10.1.2.0/24'] }, false],
    ['10.1.2.3', { allowPrivate: ['10.1.2.0/24'], deny: ['10.1.2.3'] }, false],
    ['10.1.2.3', { allowLocalNetworks: true }, true],
    ['169.254.169.254', { allowLocalNetworks: true }, false],
    ['127.0.0.1', { allowLocalNetworks: true }, false],
  ])('tells %s to a container under %j: %s', (address, conf, isTold) => {
    const { bySource } = namesWork([enforced('10.88.0.2', { ...allowlist, ...conf })], []);
    expect(bySource.get('10.88.0.2')?.isOpenByAddress?.(address)).toBe(isTold);
  });
});

describe('noteReport()', () => {
  const work = namesWork([enforced('10.88.0.2', allowlist)], ['192.0.2.53']);
  const report: QueryReport = {
    source: '10.88.0.2',
    policyId: work.refreshed[0]?.policyId,
    name: 'api.example.org',
    type: 'AAAA',
    verdict: 'answered',
    rcode: 0,
    from: 'upstream',
    upstream: ['192.0.2.53'],
    addresses: [{ address: '2001:db8::1', ttl: 60 }],
    stripped: [],
    took: 1,
    openTook: 1,
  };

  test('notes an answer of upstream under the servers of the policy', () => {
    const noted: unknown[] = [];
    noteReport({ note: (...args) => noted.push(args) }, work, report);
    expect(noted).toEqual([['api.example.org', [], 6, [{ address: '2001:db8::1', ttl: 60 }]]]);
  });

  test.each([{ from: 'cache' as const }, { type: 'TXT' }, { verdict: 'denied' as const }, { policyId: 'other' }])(
    'passes over %j',
    (change) => {
      const noted: unknown[] = [];
      noteReport({ note: (...args) => noted.push(args) }, work, { ...report, ...change });
      expect(noted).toEqual([]);
    },
  );
});

describe('hostServers()', () => {
  test('leaves out ourselves and what is no address', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'resolv-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(
      join(folder, 'resolv.conf'),
      'nameserver 127.0.0.53\nnameserver 10.88.0.1\nnameserver fe80::1%eth0\nnameserver 2001:db8::53\nnameserver x\n',
    );
    expect(await hostServers(['10.88.0.1'], join(folder, 'resolv.conf'))).toEqual(['127.0.0.53', '2001:db8::53']);
  });

  test('finds none without the file', async () => {
    expect(await hostServers([], '/nowhere/resolv.conf')).toEqual([]);
  });
});
