import { describe, expect, test } from 'vitest';
import { planClosing, planOpening, type Opening } from '../../src/host/firewall/accepts.ts';
import { parseListing } from '../../src/host/firewall/listing.ts';

const dns: Opening = {
  bridge: 'db0',
  hostPorts: [
    { protocol: 'udp', ports: { from: 53, to: 53 } },
    { protocol: 'tcp', ports: { from: 53, to: 53 } },
  ],
  ingress: 'published',
};
const accepting = '-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n';
const dropping = '-P INPUT DROP\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n';

/** What `iptables -S` prints after a plan was carried out on a listing. */
function after(listing: string, text: string): string {
  const lines = listing.trim().split('\n');
  for (const line of text.split('\n')) {
    const [kind, chain] = line.split(' ');
    if (kind === '-D') lines.splice(lines.indexOf(line.replace('-D', '-A')), 1);
    if (kind !== '-I') continue;
    const [, place = '', rule = ''] = /^-I \S+ (\d+) (.*)$/.exec(line) ?? [];
    const first = lines.findIndex((one) => one.startsWith(`-A ${chain} `));
    lines.splice((first < 0 ? lines.length : first) + Number(place) - 1, 0, `-A ${chain} ${rule}`);
  }
  return `${lines.join('\n')}\n`;
}

describe('planOpening()', () => {
  test.for([
    [
      'oracle',
      `${accepting}-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j REJECT --reject-with icmp-host-prohibited\n-A FORWARD -j REJECT --reject-with icmp-host-prohibited\n`,
    ],
    ['policies', dropping],
    [
      'docker',
      `${accepting.replace('FORWARD ACCEPT', 'FORWARD DROP')}-N DOCKER-FORWARD\n-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-FORWARD\n-A DOCKER-FORWARD -i docker0 -j ACCEPT\n`,
    ],
  ] as const)('writes the transaction for %s', async ([name, listing]) => {
    const four = planOpening(parseListing(listing), 4, dns);
    await expect(four.text).toMatchFileSnapshot(`golden/${name}.iptables`);
    await expect(planOpening(parseListing(listing), 6, dns).text).toMatchFileSnapshot(`golden/${name}.ip6tables`);
  });

  test.for([
    ['a table that accepts', accepting],
    ['a rule about one destination', `${accepting}-A FORWARD -d 198.51.100.1/32 -j DROP\n`],
    ['a rule about another interface', `${accepting}-A FORWARD -i docker0 -j DROP\n-A INPUT -i eth0 -j DROP\n`],
    ['a rule about invalid packets', `${accepting}-A FORWARD -m conntrack --ctstate INVALID -j DROP\n`],
    [
      'a log rule whose prefix reads like a target',
      `${accepting}-A FORWARD -m limit --limit 3/min -j LOG --log-prefix "x -j DROP "\n`,
    ],
    [
      'a drop that comes after an accept of the bridge',
      `${dropping.replace('INPUT DROP', 'INPUT ACCEPT')}-A FORWARD -i db+ -j ACCEPT\n-A FORWARD -o db0 -j ACCEPT\n`,
    ],
    ['a chain that returns', `${accepting}-N X\n-A FORWARD -j X\n-A X -j RETURN\n-A X -j DROP\n`],
  ] as const)('inserts nothing for %s', ([, listing]) => {
    expect(planOpening(parseListing(listing), 4, dns)).toEqual({ text: '', blockers: [], dropping: [], overruled: [] });
  });

  test.for([
    ['a policy', dropping, ['policy DROP of chain "FORWARD"', 'policy DROP of chain "INPUT"']],
    ['a reject within another chain', `${accepting}-N X\n-A FORWARD -j X\n-A X -j REJECT\n`, ['rule "-A X -j REJECT"']],
    [
      'a chain that is gone to and ends',
      `${accepting.replace('FORWARD ACCEPT', 'FORWARD DROP')}-N X\n-A FORWARD -g X\n-A FORWARD -j ACCEPT\n`,
      ['policy DROP of chain "FORWARD"'],
    ],
    ['a rule about one protocol', `${accepting}-A INPUT -p udp -j DROP\n`, ['rule "-A INPUT -p udp -j DROP"']],
    [
      'a rule about all but one interface',
      `${accepting}-A INPUT ! -i eth0 -j DROP\n`,
      ['rule "-A INPUT ! -i eth0 -j DROP"'],
    ],
    [
      'a rule about new connections',
      `${accepting}-A FORWARD -m conntrack --ctstate NEW -j DROP\n`,
      ['rule "-A FORWARD -m conntrack --ctstate NEW -j DROP"'],
    ],
    ['ports of which ours is one', `${accepting}-A INPUT -p udp -m multiport --dports 5,50:60 -j DROP\n`, undefined],
  ] as const)('names %s as what drops', ([, listing, blockers]) => {
    const plan = planOpening(parseListing(listing), 4, dns);
    if (blockers !== undefined) expect(plan.blockers).toEqual(blockers);
    expect(plan.text).toContain('-I ');
  });

  test.for([4, 6] as const)('has nothing more to do once it was carried out (IPv%s)', (family) => {
    const first = planOpening(parseListing(dropping), family, dns);
    const second = planOpening(parseListing(after(dropping, first.text)), family, dns);
    expect(second).toEqual({ text: '', blockers: first.blockers, dropping: [], overruled: [] });
  });

  test('replaces its rules when a reject has come before them', () => {
    const opened = after(dropping, planOpening(parseListing(dropping), 4, dns).text);
    const shadowed = opened.replace('-A FORWARD -i db0', '-A FORWARD -j REJECT\n-A FORWARD -i db0');
    const again = planOpening(parseListing(shadowed), 4, dns);
    expect(again.dropping).toEqual(['rule "-A FORWARD -j REJECT"']);
    expect(planOpening(parseListing(after(shadowed, again.text)), 4, dns).dropping).toEqual([]);
  });

  const explicit = '-A FORWARD -d 203.0.113.5/32 -j REJECT';

  test.for([
    ['the policy that drops', `${dropping}${explicit}\n`, []],
    ['the rule that drops', `${accepting}${explicit}\n-A FORWARD -j DROP\n-A INPUT -j DROP\n`, []],
    [
      'a chain that drops, and not those within it',
      `${accepting}-N X\n${explicit}\n-A FORWARD -j X\n-A X -d 203.0.113.6/32 -j DROP\n-A X -j DROP\n`,
      ['-A X -d 203.0.113.6/32 -j DROP'],
    ],
    [
      'Docker, and not those behind it',
      `${dropping}-N DOCKER-USER\n-N D\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j D\n-A FORWARD -s 10.0.0.0/8 -j DROP\n-A DOCKER-USER -d 203.0.113.5/32 -j REJECT\n-A DOCKER-USER -j RETURN\n`,
      ['-A FORWARD -s 10.0.0.0/8 -j DROP'],
    ],
  ] as const)('comes after explicit rejects and before %s', ([, listing, overruled]) => {
    const plan = planOpening(parseListing(listing), 4, dns);
    const opened = after(listing, plan.text);
    const rejects = opened.indexOf('203.0.113.5');
    expect(opened.indexOf('drawbridge: db0')).toBeGreaterThan(rejects);
    expect(plan.overruled).toEqual(overruled);
    const again = planOpening(parseListing(opened), 4, dns);
    expect(again).toMatchObject({ text: '', dropping: [], overruled });
  });

  test('moves behind an explicit reject that was appended later', () => {
    const opened = after(dropping, planOpening(parseListing(dropping), 4, dns).text) + `${explicit}\n`;
    const moved = after(opened, planOpening(parseListing(opened), 4, dns).text);
    expect(moved.indexOf('-i db0 -m comment')).toBeGreaterThan(moved.indexOf(explicit));
    expect(planOpening(parseListing(moved), 4, dns)).toMatchObject({ text: '', dropping: [] });
  });

  test('accepts everything toward the bridge when its containers are open to the outside', () => {
    expect(planOpening(parseListing(dropping), 4, { ...dns, ingress: 'open' }).text).toContain(
      '-I FORWARD 2 -o db0 -m comment',
    );
  });

  test('accepts a protocol as a whole when no ports are named', () => {
    const { text } = planOpening(parseListing(dropping), 6, {
      ...dns,
      hostPorts: [{ protocol: 'icmp' }, { protocol: 'any' }, { protocol: 'any', ports: { from: 5, to: 9 } }],
    });
    const matches = text.split('\n').flatMap((line) => /^-I INPUT \d+ -i db0 ?(.*?) ?-m comment/.exec(line)?.[1] ?? []);
    expect(matches.slice(4)).toEqual([
      '-p ipv6-icmp',
      '',
      '-p tcp -m tcp --dport 5:9',
      '-p udp -m udp --dport 5:9',
      '-p sctp -m sctp --dport 5:9',
    ]);
  });
});

describe('planClosing()', () => {
  test('gives back the table as it was before planOpening()', () => {
    const opened = after(dropping, planOpening(parseListing(dropping), 4, dns).text);
    expect(opened).not.toBe(dropping);
    expect(after(opened, planClosing(parseListing(opened), 'db0'))).toBe(dropping);
  });

  test('leaves the rules of a bridge whose name begins alike', () => {
    const listing = `${dropping}-A FORWARD -i db01 -m comment --comment "drawbridge: db01" -j ACCEPT\n`;
    expect(planClosing(parseListing(listing), 'db0')).toBe('');
  });

  test('removes every copy of a rule that stands there twice', () => {
    const line = '-A FORWARD -i db0 -m comment --comment "drawbridge: db0" -j ACCEPT\n';
    expect(planClosing(parseListing(dropping + line + line), 'db0').match(/^-D /gm)).toHaveLength(2);
  });
});
