import { describe, expect, test } from 'vitest';
import { bounds } from '../../../src/agent/first-bytes/bounds.ts';
import type { CheckedPolicy } from '../../../src/agent/first-bytes/checked-policy.ts';
import { Connections } from '../../../src/agent/first-bytes/connections.ts';
import type { Reset } from '../../../src/agent/first-bytes/reset.ts';
import { tcpFlag, type Segment } from '../../../src/agent/first-bytes/segment.ts';
import { hello, inRecords } from '../../egress/first-bytes/hello.ts';
import { rule } from '../dns/rig.ts';

const good = inRecords(hello({ names: [[[0, 'good.example.org']]] }));
const evil = inRecords(hello({ names: [[[0, 'evil.example.net']]] }));
const [client, server, other] = ['\n\x58\x00\x02', '\xc6\x33\x64\x01', '\n\x58\x00\x03'];
const start = 4_294_967_290;

const onlyGood: Omit<CheckedPolicy, 'onDeny'> = {
  mode: 'allowlist',
  names: [rule('good.example.org')],
  allow: [],
  allowPrivate: [],
  allowLocalNetworks: false,
};

/** Everything but one name. */
const allButEvil: Omit<CheckedPolicy, 'onDeny'> = {
  ...onlyGood,
  mode: 'open',
  names: [],
  denyNames: [rule('evil.example.net')],
};

type Did = 'pass' | 'settle' | 'drop' | 'deny';

/** A client and a server with a queue between them: what became of each packet, by its number from 1 on. */
function line({
  onDeny = 'reject',
  policy = onlyGood,
}: { onDeny?: 'reject' | 'drop'; policy?: Omit<CheckedPolicy, 'onDeny'> } = {}): {
  connections: Connections;
  clock: { now: number };
  resets: Reset[];
  refused: string[];
  fate: (packet: number) => Did | 'waiting';
  says: (offset: number, data: Uint8Array, more?: Partial<Segment>) => number;
  syn: (more?: Partial<Segment>) => number;
  answers: (acknowledged: number, data?: Uint8Array, more?: Partial<Segment>) => number;
} {
  const fates = new Map<number, Did>();
  const clock = { now: 1000 };
  const resets: Reset[] = [];
  const refused: string[] = [];
  const note =
    (did: Did) =>
    ({ id }: { id: number }): void => {
      expect(fates.has(id)).toBe(false);
      fates.set(id, did);
    };
  const connections = new Connections({
    policyOf: (address) => ([client, other].includes(address) ? { ...policy, onDeny } : undefined),
    verdicts: {
      pass: note('pass'),
      settle: note('settle'),
      drop: note('drop'),
      deny: note('deny'),
      reset: (reset) => resets.push(reset),
    },
    onRefused: (_, { why }) => refused.push(why),
    now: () => clock.now,
  });
  let packets = 0;
  const take = (segment: Segment): number => {
    packets += 1;
    connections.take({ id: packets, mark: 0 }, segment);
    return packets;
  };
  const asked = { family: 4, source: client, destination: server, sourcePort: 40_000, destinationPort: 443 } as const;
  const said = { ...asked, acknowledged: 77, flags: tcpFlag.ack };
  const answered = {
    family: 4,
    source: server,
    destination: client,
    sourcePort: 443,
    destinationPort: 40_000,
  } as const;
  const none = new Uint8Array(0);
  return {
    connections,
    clock,
    resets,
    refused,
    fate: (packet) => fates.get(packet) ?? 'waiting',
    says: (offset, data, more = {}) => take({ ...said, sequence: (start + 1 + offset) >>> 0, data, ...more }),
    syn: (more = {}) => take({ ...asked, sequence: start, acknowledged: 0, flags: tcpFlag.syn, data: none, ...more }),
    answers: (acknowledged, data = none, more = {}) =>
      take({
        ...answered,
        sequence: 77,
        acknowledged: (start + 1 + acknowledged) >>> 0,
        flags: tcpFlag.ack,
        data,
        ...more,
      }),
  };
}

describe('a connection', () => {
  test('is settled when the server has acknowledged a hello with an allowed name', () => {
    const { syn, says, answers, fate, connections } = line();
    expect(fate(syn())).toBe('pass');
    expect(fate(says(0, good))).toBe('pass');
    expect(fate(answers(10))).toBe('pass');
    expect(fate(answers(good.length))).toBe('settle');
    expect(connections.settled.map(({ name }) => name)).toEqual(['good.example.org']);
    expect(connections.waiting).toEqual({ connections: 0, packets: 0 });
  });

  test.each(Array.from({ length: good.length - 1 }, (_, at) => at + 1))(
    'is settled with a hello in two segments, cut after byte %d, in either order',
    (at) => {
      const [head, tail] = [good.subarray(0, at), good.subarray(at)];
      for (const isReversed of [false, true]) {
        const { syn, says, answers, fate } = line();
        syn();
        const parts = [
          [0, head],
          [at, tail],
        ] as const;
        const packets = (isReversed ? parts.toReversed() : parts).map(([offset, data]) => says(offset, data));
        expect(packets.map(fate)).toEqual(['pass', 'pass']);
        expect(fate(answers(good.length))).toBe('settle');
      }
    },
  );

  test('with another name ends at both ends, at the bytes that they wait for', () => {
    const { syn, says, fate, resets, refused } = line();
    syn();
    expect(fate(says(0, evil))).toBe('deny');
    expect(refused).toEqual(['it asks for "evil.example.net", which the policy does not allow at port 443']);
    expect(resets).toMatchObject([
      { source: client, destination: server, sequence: (start + 1) >>> 0, acknowledged: 77 },
      { source: server, destination: client, sequence: 77, acknowledged: (start + 1 + evil.length) >>> 0 },
    ]);
  });

  test('that is refused without an answer ends at the server alone, where the policy drops', () => {
    const { syn, says, resets } = line({ onDeny: 'drop' });
    syn();
    says(0, evil);
    expect(resets.map(({ destination }) => destination)).toEqual([server]);
  });

  test('is refused when the hello is sent again with another name before the server has it', () => {
    const { syn, says, answers, fate, refused } = line();
    syn();
    expect(fate(says(0, good))).toBe('pass');
    expect(fate(says(0, evil))).toBe('deny');
    expect(fate(answers(evil.length))).toBe('drop');
    expect(refused).toEqual(['its first bytes were sent twice and differ']);
  });

  test('is refused when two of its segments say different things of one byte, whichever comes first', () => {
    const changed = Uint8Array.from(good);
    changed[20] = 1;
    const places = [
      [30, good.subarray(30)],
      [0, changed.subarray(0, 25)],
      [10, good.subarray(10, 30)],
    ] as const;
    for (const order of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 2, 0],
      [2, 1, 0],
    ]) {
      const { syn, says, refused } = line();
      syn();
      for (const at of order) {
        const [offset, data] = places[at] ?? expect.fail();
        says(offset, data);
      }
      expect(refused[0]).toBe('its first bytes were sent twice and differ');
    }
  });

  test('passes on what the client sends behind its hello, and again, before and after it is settled', () => {
    const { syn, says, answers, fate } = line();
    syn();
    says(0, good);
    expect(fate(says(good.length, evil))).toBe('pass');
    expect(fate(says(0, good))).toBe('pass');
    answers(good.length);
    expect(fate(says(good.length, evil))).toBe('settle');
    expect(fate(answers(good.length + 10, evil))).toBe('settle');
  });

  test('of which the beginning was not seen is refused', () => {
    const { says, fate, refused, resets } = line();
    expect(fate(says(0, good))).toBe('deny');
    expect(refused).toEqual(['its beginning was not seen']);
    expect(resets).toHaveLength(2);
  });

  test('begins anew with a SYN, and what was settled before says nothing of it', () => {
    const { syn, says, answers, fate } = line();
    syn();
    says(0, good);
    answers(good.length);
    syn();
    expect(fate(says(0, evil))).toBe('deny');
  });

  test('with data in its SYN is not begun', () => {
    const { syn, says, fate, refused } = line();
    expect(fate(syn({ data: good }))).toBe('drop');
    expect(refused).toEqual([]);
    says(0, good);
    expect(refused).toEqual(['its beginning was not seen']);
  });

  test('gives its client nothing of the server before its name is known', () => {
    const { syn, says, answers, fate } = line();
    syn();
    expect(fate(answers(0, Buffer.from('SSH-2.0')))).toBe('drop');
    expect(fate(answers(0))).toBe('pass');
    says(0, good.subarray(0, 10));
    expect(fate(answers(0, Buffer.from('SSH-2.0')))).toBe('drop');
  });

  test('is refused when its first bytes say no name in ten seconds, and not before', () => {
    const { syn, says, clock, connections, fate, refused } = line();
    syn();
    const held = says(0, good.subarray(0, 10));
    clock.now += bounds.patience;
    connections.tidy();
    expect(fate(held)).toBe('waiting');
    clock.now += 1;
    connections.tidy();
    expect(fate(held)).toBe('deny');
    expect(refused).toEqual(['its first bytes held no complete request for 10 seconds']);
  });

  test('may idle before it speaks', () => {
    const { syn, says, clock, connections, fate } = line();
    syn();
    clock.now += 3_600_000;
    connections.tidy();
    expect(fate(says(0, good))).toBe('pass');
  });
});

describe('a container', () => {
  test('with too many packets waiting loses its oldest connection, and another one none', () => {
    const { syn, says, connections, fate, refused } = line();
    syn({ source: other });
    const others = says(0, good.subarray(0, 10), { source: other });
    const half = good.subarray(0, 10);
    const held = Array.from({ length: bounds.packets + 1 }, (_, port) => {
      syn({ sourcePort: port + 1 });
      return says(0, half, { sourcePort: port + 1 });
    });
    expect(held.slice(0, 3).map(fate)).toEqual(['deny', 'waiting', 'waiting']);
    expect(fate(others)).toBe('waiting');
    expect(refused).toEqual(['its container has too many unfinished requests']);
    expect(connections.waiting.packets).toBe(bounds.packets + 1);
  });

  test('with more connections than it may have loses the one that it began first', () => {
    const { syn, says, connections, fate } = line();
    for (let port = 1; port <= bounds.connections + 1; port += 1) syn({ sourcePort: port });
    expect(connections.waiting.connections).toBe(bounds.connections);
    expect(fate(says(0, good, { sourcePort: 2 }))).toBe('pass');
    expect(fate(says(0, good, { sourcePort: 1 }))).toBe('deny');
  });

  test('that is gone takes what waits of it along', () => {
    const { syn, says, connections, fate } = line();
    syn();
    const held = says(0, good.subarray(0, 10));
    connections.forget((address) => address === client);
    expect(fate(held)).toBe('drop');
    expect(connections.waiting).toEqual({ connections: 0, packets: 0 });
  });

  test('that sends more bytes than are kept loses its oldest connections until they fit', () => {
    const { syn, says, connections, refused } = line();
    const long = inRecords(hello({ names: [[[0, 'good.example.org']]], after: [[21, Buffer.alloc(60_000)]] }));
    for (let port = 1; port <= 60; port += 1) {
      syn({ sourcePort: port });
      says(0, long.subarray(0, 50_000), { sourcePort: port });
    }
    expect(refused.length).toBe(60 - Math.floor(bounds.bytes / 50_000));
    expect(connections.waiting.packets).toBe(Math.floor(bounds.bytes / 50_000));
  });
});

describe('where only names of "deny" are looked for', () => {
  test('another name passes, and the denied one is refused', () => {
    const [one, two] = [line({ policy: allButEvil }), line({ policy: allButEvil })];
    one.syn();
    expect(one.fate(one.says(0, good))).toBe('pass');
    two.syn();
    expect(two.fate(two.says(0, evil))).toBe('deny');
    expect(two.refused).toEqual(['it asks for "evil.example.net", which allow "evil.example.net:443" closes']);
  });

  test('what shows no name passes, also when its server speaks first', () => {
    const [one, two] = [line({ policy: allButEvil }), line({ policy: allButEvil })];
    one.syn();
    expect(one.fate(one.says(0, Buffer.from('SSH-2.0-client\r\n')))).toBe('pass');
    two.syn();
    expect(two.fate(two.answers(0, Buffer.from('220 mail\r\n')))).toBe('settle');
    expect(two.connections.waiting.connections).toBe(0);
    expect(one.refused.concat(two.refused)).toEqual([]);
  });

  test('half a hello is held, and refused when it stays one', () => {
    const { syn, says, answers, fate, clock, connections, refused } = line({ policy: allButEvil });
    syn();
    const held = says(0, evil.subarray(0, 20));
    expect(fate(held)).toBe('waiting');
    expect(fate(answers(0, Buffer.from('early')))).toBe('drop');
    clock.now += bounds.patience + 1;
    connections.tidy();
    expect(fate(held)).toBe('deny');
    expect(refused).toEqual([expect.stringContaining('no complete request')]);
  });

  test('in a list of names, a literal is looked at for them alone, and a name beside it has to be allowed', () => {
    const policy = {
      ...allButEvil,
      mode: 'allowlist' as const,
      names: [rule('good.example.org')],
      allow: [{ family: 4, prefix: '198.51.100.2/32', protocol: 'any', source: 'allow "198.51.100.2"' } as const],
    };
    const literal = '\xc6\x33\x64\x02';
    const { syn, says, fate } = line({ policy });
    const text = Buffer.from('SSH-2.0-client\r\n');
    syn({ destination: literal });
    expect(fate(says(0, text, { destination: literal }))).toBe('pass');
    syn({ destination: literal, sourcePort: 41_000 });
    expect(fate(says(0, evil, { destination: literal, sourcePort: 41_000 }))).toBe('deny');
    syn();
    expect(fate(says(0, text))).toBe('deny');
  });
});
