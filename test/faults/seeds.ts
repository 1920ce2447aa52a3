/** Right input, of which the fuzzers make wrong input. */
import { conflist } from './network.ts';

export const egress = {
  mode: 'allowlist',
  preset: ['dev'],
  allow: ['github.com:443', '203.0.113.0/24:5432/tcp', '*.example.org'],
  allowPrivate: ['10.1.2.3:53/udp'],
  deny: ['8.8.4.4'],
  hostPorts: ['53/udp'],
  dns: { upstream: ['9.9.9.9'] },
  selectable: ['web'],
};

export const conf = {
  ...conflist.plugins[0],
  cniVersion: '1.1.0',
  name: 'net',
  egress,
  runtimeConfig: {
    portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '192.0.2.1' }],
    ips: ['10.88.0.7'],
    mac: '02:00:00:00:00:01',
    ipRanges: [[{ subnet: '10.5.0.0/24' }]],
  },
  args: { cni: { ips: ['10.88.0.9'] } },
  prevResult: {
    cniVersion: '1.1.0',
    interfaces: [{ name: 'eth0', mac: '02:00:00:00:00:02', sandbox: '/run/netns/c1' }],
    ips: [{ address: '10.88.0.2/16', gateway: '10.88.0.1', interface: 0 }],
    routes: [{ dst: '0.0.0.0/0', gw: '10.88.0.1' }],
    dns: { nameservers: ['9.9.9.9'] },
  },
  'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }],
};

export const environment = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/run/netns/c1',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin',
  CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=x;IP=10.88.0.3',
};

/** Text that goes into a transaction cannot end what it stands in. */
export function expectPlain(text: string): void {
  const outsideQuotes = text.replaceAll(/"[^"\n]*"/gu, '');
  if (/[\n;{}#$`\\]/u.test(outsideQuotes) || (text.match(/"/gu)?.length ?? 0) % 2 !== 0)
    throw new Error(`reaches nft as a command: ${JSON.stringify(text)}`);
}

export const queryBytes = Buffer.from(
  '12340100000100000000000103617069076578616d706c65036f72670000010001000029100000000000000c000a00080102030405060708',
  'hex',
);
export const answerBytes = Buffer.from(
  '12348180000100030000000003617069076578616d706c65036f72670000010001c00c000500010000003c000603777777c010c02d000100010000003c0004cb007107c02d000100010000003c0004cb007108',
  'hex',
);
