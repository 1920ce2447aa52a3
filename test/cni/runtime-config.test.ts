import { describe, expect, test } from 'vitest';
import { Fields } from '../../src/cni/fields.ts';
import { parseConfArgs, parseRuntimeConfig } from '../../src/cni/runtime-config.ts';

const runtime = (value: unknown) => parseRuntimeConfig(new Fields({ runtimeConfig: value }));

describe('parseRuntimeConfig()', () => {
  test('is empty when there is no runtimeConfig', () => {
    expect(parseRuntimeConfig(new Fields({}))).toEqual({
      portMappings: [],
      ips: [],
      ipRanges: [],
      podAnnotations: new Map(),
    });
  });

  test.each([
    ['containerd and nerdctl', { HostPort: 8080, ContainerPort: 80, Protocol: 'tcp', HostIP: '0.0.0.0' }],
    ['cri-o and podman', { hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '0.0.0.0' }],
  ])('reads port mappings as %s send them', (_, mapping) => {
    const [read] = runtime({ portMappings: [mapping] }).portMappings;
    expect([
      read?.integer('hostPort'),
      read?.integer('containerPort'),
      read?.string('protocol'),
      read?.string('hostIP'),
    ]).toEqual([8080, 80, 'tcp', '0.0.0.0']);
  });

  test('names a port mapping by its place', () => {
    expect(runtime({ portMappings: [{}] }).portMappings[0]?.at('hostPort')).toBe(
      'runtimeConfig.portMappings[0].hostPort',
    );
  });

  test('reads ips and mac', () => {
    expect(runtime({ ips: ['10.88.0.9/16', 'fd00::9'], mac: '02:00:00:00:00:01' })).toMatchObject({
      ips: ['10.88.0.9/16', 'fd00::9'],
      mac: '02:00:00:00:00:01',
    });
  });

  test('treats an empty mac as absent', () => {
    expect(runtime({ mac: '' })).not.toHaveProperty('mac');
  });

  test('reads range sets', () => {
    const { ipRanges } = runtime({
      ipRanges: [[{ subnet: '10.1.0.0/24' }, { Subnet: '10.2.0.0/24' }], [{ subnet: 'fd00::/64' }]],
    });
    expect(ipRanges.map((set) => set.map((range) => range.string('subnet')))).toEqual([
      ['10.1.0.0/24', '10.2.0.0/24'],
      ['fd00::/64'],
    ]);
  });

  test('takes a flat list of ranges for one set', () => {
    const { ipRanges } = runtime({ ipRanges: [{ Subnet: '10.1.0.0/24' }, { Subnet: '10.2.0.0/24' }] });
    expect(ipRanges.map((set) => set.map((range) => range.string('subnet')))).toEqual([['10.1.0.0/24', '10.2.0.0/24']]);
  });

  test('reads dns as go-cni spells it', () => {
    expect(runtime({ dns: { Servers: ['1.1.1.1'], Searches: ['a.test'], Options: null } }).dns).toEqual({
      servers: ['1.1.1.1'],
      searches: ['a.test'],
      options: [],
    });
  });

  test('reads the annotations of a pod', () => {
    expect(
      runtime({ 'io.kubernetes.cri.pod-annotations': { 'drawbridge/egress-policy': 'ci' } }).podAnnotations,
    ).toEqual(new Map([['drawbridge/egress-policy', 'ci']]));
  });

  test('ignores capabilities that it does not know', () => {
    expect(runtime({ bandwidth: { ingressBurst: 2 ** 53 }, aliases: 5 })).toMatchObject({ ips: [] });
  });

  test('refuses a mapping that is no object', () => {
    expect(() => runtime({ portMappings: ['80:80'] })).toThrow(
      expect.objectContaining({
        code: 7,
        message: 'Invalid "runtimeConfig.portMappings[0]": it is "80:80", an object is expected',
      }),
    );
  });
});

describe('parseConfArgs()', () => {
  test('is empty when there is no args.cni', () => {
    expect(parseConfArgs(new Fields({ args: { podman_labels: {} } }))).toEqual({ ips: [], labels: new Map() });
  });

  test('reads ips, mac and labels', () => {
    const config = new Fields({
      args: {
        cni: { ips: ['10.0.0.5'], mac: '02:00:00:00:00:01', labels: [{ key: 'app', value: 'web' }, { key: 'flag' }] },
      },
    });
    expect(parseConfArgs(config)).toEqual({
      ips: ['10.0.0.5'],
      mac: '02:00:00:00:00:01',
      labels: new Map([
        ['app', 'web'],
        ['flag', ''],
      ]),
    });
  });
});
