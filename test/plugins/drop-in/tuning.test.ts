import { describe, expect, test } from 'vitest';
import { Fields } from '../../../src/cni/fields.ts';
import { parseRequest, type AttachmentRequest } from '../../../src/cni/request.ts';
import { textOf } from '../../../src/links/text.ts';
import { parseTuningConf, planTuning } from '../../../src/plugins/drop-in/tuning/conf.ts';
import { parseAllowlist, parseSysctls } from '../../../src/plugins/drop-in/tuning/sysctl.ts';

const sysctls = (sysctl: Record<string, string>, allowed?: RegExp[]) =>
  parseSysctls(new Fields({ sysctl }), 'eth0', allowed);

describe('parseSysctls()', () => {
  test.for([
    ['net.ipv4.conf.IFNAME.arp_filter', 'ipv4/conf/eth0/arp_filter'],
    ['net/ipv4/conf/IFNAME/arp_filter', 'ipv4/conf/eth0/arp_filter'],
    ['net.ipv4.conf.eth0/100.arp_filter', 'ipv4/conf/eth0.100/arp_filter'],
    ['net/ipv4/conf/eth0.100/arp_filter', 'ipv4/conf/eth0.100/arp_filter'],
    ['net.core.somaxconn', 'core/somaxconn'],
  ])('reads %s', ([key = '', file]) => {
    expect(sysctls({ [key]: '1' })).toEqual([{ file, value: '1' }]);
  });

  test.for(['kernel.panic', 'net', 'net.', 'net/../kernel/panic', 'net.ipv4..x', '', 'netx.ipv4'])(
    'refuses %j',
    (key) => {
      expect(() => sysctls({ [key]: '1' })).toThrow(/Invalid "sysctl"/);
    },
  );

  test('refuses two spellings of one key', () => {
    expect(() => sysctls({ 'net.core.somaxconn': '1', 'net/core/somaxconn': '2' })).toThrow(/each key once/);
  });

  test('refuses what no pattern of the allowlist matches', () => {
    const allowed = parseAllowlist('\n^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$\n', 'list');
    expect(sysctls({ 'net.ipv4.conf.IFNAME.arp_filter': '1' }, allowed)).toHaveLength(1);
    expect(() => sysctls({ 'net.core.somaxconn': '1' }, allowed)).toThrow(
      'Sysctl "net.core.somaxconn" is not allowed on this host',
    );
    expect(() => sysctls({ 'net.core.somaxconn': '1' }, [])).toThrow(/not allowed/);
  });

  test('names the line of the allowlist that is no pattern', () => {
    expect(() => parseAllowlist('(', '/etc/list')).toThrow(/Invalid pattern "\(" in "\/etc\/list"/);
  });
});

function request(conf: Record<string, unknown>, args = ''): AttachmentRequest {
  const env = {
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: 'c',
    CNI_NETNS: '/run/netns/c',
    CNI_IFNAME: 'eth0',
    CNI_PATH: '/opt/cni/bin',
    CNI_ARGS: args,
  };
  return parseRequest(
    env,
    JSON.stringify({ cniVersion: '1.0.0', name: 'n', type: 'tuning', ...conf }),
  ) as AttachmentRequest;
}

describe('parseTuningConf()', () => {
  const [one, two, three, four] = ['02:00:00:00:00:01', '02:00:00:00:00:02', '02:00:00:00:00:03', '02:00:00:00:00:04'];
  test.for<[string, Record<string, unknown>, string, string | undefined]>([
    ['the conf', { mac: one }, '', one],
    ['CNI_ARGS rather than the conf', { mac: one }, `MAC=${two}`, two],
    ['runtimeConfig rather than CNI_ARGS', { mac: one, runtimeConfig: { mac: three } }, `MAC=${two}`, three],
    [
      'args.cni rather than all',
      { mac: one, runtimeConfig: { mac: three }, args: { cni: { mac: four } } },
      `MAC=${two}`,
      four,
    ],
  ])('takes a MAC from %s', ([, conf, args, mac]) => {
    expect(parseTuningConf(request(conf, args), undefined).link).toEqual({ mac });
  });

  test('changes nothing for a conf without options, and for those that ask for nothing', () => {
    const { link, sysctls: none } = parseTuningConf(request({ mtu: 0, promisc: false, mac: '' }), undefined);
    expect([planTuning('eth0', link), none]).toEqual([[], []]);
  });

  test('lets args.cni override each key', () => {
    const conf = {
      mtu: 1400,
      txQLen: 5,
      allmulti: false,
      args: { cni: { mtu: 1300, txQLen: 6, allmulti: true, promisc: true } },
    };
    expect(planTuning('eth0', parseTuningConf(request(conf), undefined).link).map(textOf)).toEqual([
      'link set dev eth0 mtu 1300',
      'link set dev eth0 promisc on',
      'link set dev eth0 allmulticast on',
      'link set dev eth0 txqueuelen 6',
    ]);
  });

  test.for<Record<string, unknown>>([{ mtu: 20 }, { mtu: 70_000 }, { txQLen: -1 }, { mac: 'x' }, { promisc: 1 }])(
    'refuses %j',
    (conf) => {
      expect(() => parseTuningConf(request(conf), undefined)).toThrow(/[Ii]nvalid/);
    },
  );
});
