import { describe, expect, test } from 'vitest';
import { parseRequest, type AttachmentRequest } from '../../../src/cni/request.ts';
import { parseBandwidthConf } from '../../../src/plugins/drop-in/bandwidth/conf.ts';

function parse(conf: Record<string, unknown>) {
  const env = {
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: 'c',
    CNI_NETNS: '/run/netns/c',
    CNI_IFNAME: 'eth0',
    CNI_PATH: '/opt/cni/bin',
  };
  const text = JSON.stringify({ cniVersion: '1.0.0', name: 'n', type: 'bandwidth', ...conf });
  return parseBandwidthConf((parseRequest(env, text) as AttachmentRequest).config);
}

describe('parseBandwidthConf()', () => {
  test('reads bits and gives bytes', () => {
    expect(parse({ ingressRate: 8_000_000, ingressBurst: 80_000, egressRate: 17, egressBurst: 8 })).toEqual({
      ingress: { rate: 1_000_000, burst: 10_000 },
      egress: { rate: 2, burst: 1 },
    });
  });

  test('takes what the runtime asks for, in its spelling, when the conf has none of the keys', () => {
    const runtimeConfig = {
      bandwidth: { IngressRate: 8000, IngressBurst: 4_294_967_295, EgressRate: 0, EgressBurst: 0 },
    };
    expect(parse({ runtimeConfig })).toEqual({ ingress: { rate: 1000, burst: 536_870_911 } });
    expect(parse({ runtimeConfig, egressRate: 0 })).toEqual({});
    expect(parse({ runtimeConfig, egressRate: 800, egressBurst: 800 })).toEqual({ egress: { rate: 100, burst: 100 } });
  });

  test('is without limits for a conf without keys, and for zeros', () => {
    expect(parse({})).toEqual({});
    expect(parse({ ingressRate: 0, ingressBurst: 0 })).toEqual({});
  });

  test.for<[Record<string, unknown>, string]>([
    [{ ingressRate: 8000 }, 'Invalid "ingressRate": it is 8000, and "ingressBurst" is missing or 0'],
    [{ egressBurst: 8000 }, 'Invalid "egressBurst": it is 8000, and "egressRate" is missing or 0'],
    [{ egressRate: 7, egressBurst: 8000 }, 'Invalid "egressRate": it is 7, 0 or at least 8 bits a second is expected'],
    [{ egressRate: 8, egressBurst: 7 }, 'Invalid "egressBurst": it is 7, 0 or at least 8 bits is expected'],
    [{ egressRate: 8, egressBurst: 2 ** 35 }, 'Invalid "egressBurst": it is 34359738368, a whole number from 0 to'],
    [{ egressRate: -8, egressBurst: 8 }, 'Invalid "egressRate": it is -8, a whole number of at least 0 is expected'],
    [{ egressRate: '8', egressBurst: 8 }, 'Invalid "egressRate": it is "8"'],
    [
      { runtimeConfig: { bandwidth: { ingressRate: 9 } } },
      'Invalid "runtimeConfig.bandwidth.ingressRate": it is 9, and "runtimeConfig.bandwidth.ingressBurst" is missing or 0',
    ],
  ])('refuses %j', ([conf, said]) => {
    expect(() => parse(conf)).toThrow(said);
  });
});
