/** A DNS client that sees every byte of what it gets. */
import dnsPacket, { type Answer, type DecodedPacket, type RecordType } from 'dns-packet';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

export interface AskOptions {
  readonly type?: RecordType | string;
  readonly protocol?: 'udp' | 'tcp';
  /** Payload size of EDNS; none without it. */
  readonly edns?: number;
  readonly timeout?: number;
  readonly from?: string;
}

export interface Heard {
  readonly packet: DecodedPacket;
  readonly rcode: string;
  /** Text of the data of the answers. */
  readonly data: string[];
  readonly bytes: Buffer;
}

export async function ask(
  port: number,
  name: string,
  { type = 'A', protocol = 'udp', edns, timeout = 6000, from = '127.0.0.1' }: AskOptions = {},
  address = '127.0.0.1',
): Promise<Heard> {
  const message = queryBytes(name, type, edns);
  const bytes =
    protocol === 'udp'
      ? await byUdp(message, port, address, { from, timeout })
      : await byTcp(message, port, address, timeout);
  return heard(bytes);
}

export function queryBytes(name: string, type: RecordType | string = 'A', edns?: number): Buffer {
  const additionals: Answer[] =
    edns === undefined
      ? []
      : [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: edns,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ];
  return dnsPacket.encode({
    type: 'query',
    id: Math.floor(Math.random() * 65_536),
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ type: type as RecordType, name }],
    additionals,
  });
}

export function heard(bytes: Buffer): Heard {
  const packet = dnsPacket.decode(bytes);
  const answers = packet.answers ?? [];
  return {
    packet,
    bytes,
    rcode: (packet as unknown as { rcode: string }).rcode,
    data: answers.map((one) => ('data' in one ? `${one.data as string}` : '')),
  };
}

export function byUdp(
  message: Buffer,
  port: number,
  address: string,
  { from, timeout }: { from: string; timeout: number },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    const timer = setTimeout(() => {
      socket.close();
      reject(new Error('timeout'));
    }, timeout);
    socket.on('message', (bytes, peer) => {
      clearTimeout(timer);
      socket.close();
      if (peer.address === address && peer.port === port) resolve(bytes);
      else reject(new Error(`answered from ${peer.address}`));
    });
    socket.bind({ address: address.includes(':') ? '::1' : from }, () => socket.send(message, port, address));
  });
}

function byTcp(message: Buffer, port: number, address: string, timeout: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port });
    const timer = setTimeout(() => socket.destroy(new Error('timeout')), timeout);
    let all = Buffer.alloc(0);
    socket.on('connect', () =>
      socket.write(Buffer.concat([Buffer.from([message.length >> 8, message.length & 0xff]), message])),
    );
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed')));
    socket.on('data', (chunk: Buffer) => {
      all = Buffer.concat([all, chunk]);
      if (all.length < 2 || all.length < 2 + all.readUInt16BE(0)) return;
      clearTimeout(timer);
      resolve(all.subarray(2));
      socket.destroy();
    });
  });
}
