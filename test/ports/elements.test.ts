import { describe, expect, test } from 'vitest';
import { dataText, elementId, type Element } from '../../src/nft/element.ts';
import { overlaps } from '../../src/ports/mapping.ts';
import { masqueradeElements } from '../../src/dataplane/elements/masquerade.ts';
import type { AttachmentRecord } from '../../src/records/record.ts';
import { elementsOf } from '../../src/records/sections.ts';
import { mapping, sample } from '../records/sample.ts';

function texts(elements: readonly Element[]): string[] {
  return elements
    .map((element) => elementId(element) + (element.value === undefined ? '' : ` = ${dataText(element.value)}`))
    .map((text) => text.replace('inet drawbridge ', ''));
}

function portElements(record: AttachmentRecord): Element[] {
  return elementsOf(record).filter(({ set }) => /^(?:published|hairpin)/.test(set));
}

describe('the elements of published ports', () => {
  test('leads to the first address of each family', () => {
    const addresses = ['10.88.0.9/16', '10.89.0.9/16', 'fd00:88::9/64'].map((address) => ({ address }));
    expect(texts(portElements(sample({ link: { addresses, ports: [mapping(8080, 80)] } })))).toEqual([
      'published4 { tcp . 8080 } = 10.88.0.9 . 80',
      'hairpin4 { "drawbridge0" . 10.88.0.9 }',
      'published6 { tcp . 8080 } = fd00:88::9 . 80',
      'hairpin6 { "drawbridge0" . fd00:88::9 }',
    ]);
  });

  test('leaves out a mapping for a family that the container lacks', () => {
    const link = {
      addresses: [{ address: '10.88.0.2/16' }],
      ports: [mapping(8080, 80, { families: [6], hostIp: '2001:db8::1' })],
    };
    expect(portElements(sample({ link }))).toEqual([]);
  });

  test('is empty without published ports, and without a link', () => {
    expect(portElements(sample())).toEqual([]);
    const { link, ...bare } = sample();
    expect([link === undefined, portElements(bare), masqueradeElements(bare)]).toEqual([false, [], []]);
  });
});

test('masqueradeElements() names every address, and the bridge as shared', () => {
  const elements = masqueradeElements(sample());
  expect(texts(elements)).toEqual([
    'bridges { "drawbridge0" }',
    'containers4 { "drawbridge0" . 10.88.0.2 }',
    'masquerade4 { 10.88.0.2 }',
    'containers6 { "drawbridge0" . fd00:88::2 }',
    'masquerade6 { fd00:88::2 }',
  ]);
  expect(elements.map(({ shared }) => shared)).toEqual([
    'bridge-drawbridge0',
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test.for([
  ['the same port', mapping(80, 1), mapping(80, 2), true],
  ['another port', mapping(80, 1), mapping(81, 1), false],
  ['another protocol', mapping(80, 1), mapping(80, 1, { protocol: 'udp' }), false],
  ['one address and every address', mapping(80, 1), mapping(80, 1, { hostIp: '192.0.2.1', families: [4] }), true],
  [
    'one address and every address of the other family',
    mapping(80, 1, { families: [6] }),
    mapping(80, 1, { hostIp: '192.0.2.1', families: [4] }),
    false,
  ],
  [
    'two addresses',
    mapping(80, 1, { hostIp: '192.0.2.2', families: [4] }),
    mapping(80, 1, { hostIp: '192.0.2.1', families: [4] }),
    false,
  ],
  ['0.0.0.0 and ::', mapping(80, 1, { families: [4] }), mapping(80, 1, { families: [6] }), false],
] as const)('overlaps() of %s', ([, one, other, expected]) => {
  expect([overlaps(one, other), overlaps(other, one)]).toEqual([expected, expected]);
});
