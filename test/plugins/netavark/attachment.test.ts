import { describe, expect, test } from 'vitest';
import { attachmentRequest } from '../../../src/plugins/netavark/attachment.ts';

const network = {
  name: 'n1',
  id: 'abc',
  driver: 'drawbridge',
  network_interface: 'db-abc',
  subnets: [{ subnet: '10.91.0.0/24', gateway: '10.91.0.1', lease_range: null }],
  ipv6_enabled: false,
  internal: false,
  dns_enabled: true,
  ipam_options: { driver: 'host-local' },
  options: null,
  network_dns_servers: null,
};

function input(changes: object = {}, container: object = {}): object {
  return {
    container_id: 'c1',
    container_name: 'web',
    port_mappings: null,
    network: { ...network, ...changes },
    network_options: {
      interface_name: 'eth0',
      static_ips: ['10.91.0.9'],
      static_mac: '02:11:22:33:44:66',
      aliases: [],
    },
    ...container,
  };
}

describe('attachmentRequest()', () => {
  test('names the attachment by network, container and interface', () => {
    const { request } = attachmentRequest('ADD', '/run/netns/x', input());
    expect(request).toMatchObject({
      verb: 'ADD',
      netns: '/run/netns/x',
      id: { network: 'n1', containerId: 'c1', ifname: 'eth0' },
    });
  });

  test('says subnets, address and MAC as the interface plugin has them', () => {
    const { raw } = attachmentRequest('ADD', '/run/netns/x', input()).request.config;
    expect(raw).toMatchObject({
      bridge: 'db-abc',
      isDefaultGateway: true,
      ipMasq: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.91.0.0/24', gateway: '10.91.0.1' }]] },
      runtimeConfig: { ips: ['10.91.0.9'], mac: '02:11:22:33:44:66' },
    });
    expect(raw).not.toHaveProperty('egress');
  });

  test('takes a range of ports and a list of protocols apart', () => {
    const mapping = { container_port: 80, host_port: 8080, host_ip: '127.0.0.1', protocol: 'tcp,udp', range: 2 };
    const { raw } = attachmentRequest('ADD', '', input({}, { port_mappings: [mapping] })).request.config;
    expect(raw['runtimeConfig']).toMatchObject({
      portMappings: [
        { hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '127.0.0.1' },
        { hostPort: 8081, containerPort: 81, protocol: 'tcp', hostIP: '127.0.0.1' },
        { hostPort: 8080, containerPort: 80, protocol: 'udp', hostIP: '127.0.0.1' },
        { hostPort: 8081, containerPort: 81, protocol: 'udp', hostIP: '127.0.0.1' },
      ],
    });
  });

  test.each([
    ['a named policy', { options: { egress: 'work' } }, { egress: { policy: 'work' } }],
    ['presets', { options: { preset: 'go,debian' } }, { egress: { preset: ['go', 'debian'] } }],
    ['an internal network', { internal: true }, { isDefaultGateway: false, ipMasq: false }],
    ['no default route', { options: { no_default_route: 'true' } }, { isDefaultGateway: false, ipMasq: true }],
    ['an MTU', { options: { mtu: '1400' } }, { mtu: 1400 }],
    ['a metric', { options: { metric: '7' } }, { metric: 7 }],
    [
      'a range of leases',
      { subnets: [{ subnet: '10.91.0.0/24', lease_range: { start_ip: '10.91.0.10', end_ip: '10.91.0.20' } }] },
      { ipam: { ranges: [[{ rangeStart: '10.91.0.10', rangeEnd: '10.91.0.20' }]] } },
    ],
    [
      'a route',
      { routes: [{ destination: '10.5.0.0/16', gateway: '10.91.0.5', metric: 3 }] },
      { ipam: { routes: [{ dst: '10.5.0.0/16', gw: '10.91.0.5', priority: 3 }] } },
    ],
  ])('says %s in the keys of the interface plugin', (_what, changes, keys) => {
    expect(attachmentRequest('ADD', '', input(changes)).request.config.raw).toMatchObject(keys);
  });

  test.each([
    ['an unknown option', { options: { egres: 'work' } }, 'the nearest one is "egress"'],
    ['two policies', { options: { egress: 'work', preset: 'go' } }, '"egress" and "preset" stand together'],
    ['an MTU that is no number', { options: { mtu: 'large' } }, '"mtu" is "large"'],
    ['another IPAM driver', { ipam_options: { driver: 'dhcp' } }, '"dhcp" is not supported'],
    ['a network without a bridge', { network_interface: null }, 'it is missing'],
  ])('refuses %s', (_what, changes, words) => {
    expect(() => attachmentRequest('ADD', '', input(changes))).toThrow(words);
  });

  test('refuses a container id that is a path', () => {
    expect(() => attachmentRequest('DEL', '', input({}, { container_id: '../c1' }))).toThrow('container_id');
  });
});
