import { parsePolicy } from '../../src/egress/parse.ts';
import { policyId } from '../../src/egress/policy-id.ts';
import type { AttachmentRecord } from '../../src/records/record.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';
import { values } from './calls.ts';
import { numbered } from './sample.ts';
import { groupsOf } from '../../src/records/sections.ts';

const fast = { rebuilt: false, warnings: [] };
const rebuilt = { rebuilt: true, warnings: [] };

/** A record under a policy, with or without a link of ours. */
function enforced(
  n: number,
  raw: object,
  { linked = true, createdAt = '2026-01-01T00:00:00.000Z' } = {},
): AttachmentRecord {
  const { link, ...bare } = numbered(n, { createdAt });
  const policy = parsePolicy(raw, 'egress');
  return {
    ...bare,
    ...(linked && link !== undefined ? { link } : {}),
    egress: {
      ingressInterface: 'drawbridge0',
      port: link?.hostInterface ?? '',
      mac: `02:00:5e:00:53:0${n}`,
      addresses: [`10.88.0.${n + 1}`, `fd00:88::${n + 1}`],
      gateways: ['10.88.0.1', 'fd00:88::1'],
      policy,
      policyId: policyId(policy),
    },
  };
}

const allowlist = { mode: 'allowlist', allow: ['203.0.113.7:443'] };
const one = enforced(1, allowlist);
const two = enforced(2, allowlist);
const other = enforced(3, { mode: 'restricted' });

describe('commit()', () => {
  test('declares the chains of a policy with its first attachment and removes them with its last', async ({ host }) => {
    const steps = [
      ['put', one],
      ['put', two],
      ['put', other],
      ['findMissing', one],
      ['drop', one.key],
      ['findMissing', two],
    ] as const;
    expect(await values(host, ...steps)).toEqual([rebuilt, fast, fast, [], fast, []]);
    expect(await chains(host)).toEqual(chainsOf(two, other));
    expect(await values(host, ['drop', two.key], ['findMissing', other])).toEqual([fast, []]);
    expect(await chains(host)).toEqual(chainsOf(other));
    expect(await values(host, ['drop', other.key])).toEqual([fast]);
    expect(await host.run(['nft', 'list', 'tables'])).toBe('');
  });

  test('moves an attachment to another policy', async ({ host }) => {
    const moved = enforced(1, { mode: 'restricted' });
    expect(await values(host, ['put', one], ['put', numbered(7)], ['put', moved], ['findMissing', moved])).toEqual([
      rebuilt,
      fast,
      fast,
      [],
    ]);
    expect(await chains(host)).toEqual(chainsOf(moved));
  });

  test('adds a policy to an attachment that the interface plugin made', async ({ host }) => {
    const { egress, ...plain } = one;
    expect(egress).toBeDefined();
    expect(await values(host, ['put', plain], ['put', one], ['findMissing', one])).toEqual([rebuilt, fast, []]);
  });

  test('writes the tables anew when the chains of a policy are gone', async ({ host }) => {
    await values(host, ['put', one], ['put', other]);
    const [mark = ''] = /group_\w+/.exec(await host.run(['nft', 'list', 'sets', 'inet'])) ?? [];
    await host.run(['nft', 'delete', 'set', 'inet', 'drawbridge', mark]);
    expect(
      await values(host, ['put', one], ['put', other], ['findMissing', one], ['findMissing', other]),
    ).toContainEqual(rebuilt);
    expect(await values(host, ['findMissing', one], ['findMissing', other])).toEqual([[], []]);
  });

  test('writes the tables anew with what they had counted of the attachments that are still there', async ({
    host,
  }) => {
    await values(host, ['put', one], ['put', two]);
    await host.run(['nft', '-f', '-'], { input: counted });
    expect(await values(host, ['drop', two.key])).toEqual([rebuilt]);
    expect(await counts(host, 'denials4')).toEqual(['"drawbridge0" . 10.88.0.2 counter packets 12 bytes 720']);
    expect(await counts(host, 'denied4')).toEqual(['10.88.0.2 . 8.8.8.8 . tcp . 443 counter packets 12 bytes 720']);
    expect(await counts(host, 'denied6_portless')).toEqual([
      'fd00:88::2 . 2001:db8::8 . ipv6-icmp counter packets 4 bytes 200',
    ]);
    const left = /tcp \. 443 .*expires (?:(\d)m)?/.exec(
      await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'denied4']),
    );
    expect(Number(left?.[1])).toBeLessThan(4);
    expect(await values(host, ['rebuild'], ['put', other])).toEqual([rebuilt, fast]);
    expect(await counts(host, 'denials4')).toEqual([
      '"drawbridge0" . 10.88.0.2 counter packets 12 bytes 720',
      '"drawbridge0" . 10.88.0.4 counter packets 0 bytes 0',
    ]);
  });

  test('keeps a bridge enforced until its last enforced container goes', async ({ host }) => {
    await values(host, ['put', one], ['put', two], ['put', numbered(7)]);
    await values(host, ['drop', one.key]);
    expect(await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'enforced'])).toContain('"drawbridge0"');
    await values(host, ['drop', two.key]);
    expect(await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'enforced'])).not.toContain('"drawbridge0"');
  });

  test('keeps a bridge enforced for a container whose record cannot be read', async ({ host }) => {
    await values(host, ['put', one], ['put', numbered(7)]);
    await host.sh(`echo broken > /run/drawbridge/attachments/${one.key}.json; nft flush ruleset`);
    expect(await values(host, ['rebuild'])).toEqual([{ rebuilt: true, warnings: [expect.stringContaining(one.key)] }]);
    expect(await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'enforced'])).toContain('"drawbridge0"');
    expect(await host.run(['nft', 'list', 'map', 'inet', 'drawbridge', 'egress4'])).not.toContain('10.88.0.2');
  });

  test('keeps a container shut in whose policy goes before its interface', async ({ host }) => {
    const { egress: _, ...bare } = one;
    const closed = { ...bare, link: { ...one.link, enforced: true } } as AttachmentRecord;
    await values(host, ['put', one], ['put', closed]);
    expect(await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'enforced'])).toContain('"drawbridge0"');
    expect(await host.run(['nft', 'list', 'map', 'inet', 'drawbridge', 'egress4'])).not.toContain('10.88.0.2');
    expect(await host.run(['nft', 'list', 'set', 'bridge', 'drawbridge', 'guard_mac'])).not.toContain('veth');
    expect(await values(host, ['put', one], ['findMissing', one])).toEqual([fast, []]);
  });

  test('leaves the newer owner of an address in peace when the older one goes late', async ({ host }) => {
    const older = enforced(1, allowlist, { linked: false });
    const newer = {
      ...enforced(1, { mode: 'restricted' }, { linked: false, createdAt: '2026-01-02T00:00:00.000Z' }),
      ...renamed,
    };
    await host.run(['ip', 'link', 'add', older.egress?.port ?? '', 'type', 'veth']);
    const steps = [
      ['put', older],
      ['put', newer],
      ['findMissing', older],
      ['drop', older.key],
      ['findMissing', newer],
    ] as const;
    expect(await values(host, ...steps)).toMatchObject([rebuilt, fast, [], fast, []]);
  });
});

const renamed = (({ key, containerId }) => ({ key, containerId }))(numbered(9));

/** Counts of two attachments, and tables that are not as their records say. */
const counted = `
  delete element inet drawbridge denials4 { "drawbridge0" . 10.88.0.2, "drawbridge0" . 10.88.0.3 }
  add element inet drawbridge denials4 { "drawbridge0" . 10.88.0.2 counter packets 12 bytes 720 }
  add element inet drawbridge denials4 { "drawbridge0" . 10.88.0.3 counter packets 7 bytes 420 }
  add element inet drawbridge denied4 { 10.88.0.2 . 8.8.8.8 . tcp . 443 counter packets 12 bytes 720 expires 200s }
  add element inet drawbridge denied6_portless { fd00:88::2 . 2001:db8::8 . ipv6-icmp counter packets 4 bytes 200 }
  delete element inet drawbridge sources4 { "drawbridge0" . 10.88.0.3 }
`;

/** The elements of a set, without the time that is left of them. */
async function counts(host: Host, set: string): Promise<string[]> {
  const text = await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', set]);
  return (/elements = \{ ([^}]*) \}/.exec(text)?.[1] ?? '')
    .split(/,\s*/)
    .map((element) => element.replace(/ expires \w+$/, ''))
    .toSorted();
}

function chainsOf(...records: AttachmentRecord[]): string[] {
  const chains = records.flatMap(groupsOf).flatMap((group) => group.chains);
  const names = chains.filter(({ table }) => table === 'inet drawbridge').map(({ name }) => name);
  return [...new Set(names)].toSorted();
}

async function chains(host: Host): Promise<string[]> {
  const text = await host.run(['nft', 'list', 'table', 'inet', 'drawbridge']);
  return [...text.matchAll(/chain (policy_\w+)/g)].map(([, name]) => name ?? '').toSorted();
}
