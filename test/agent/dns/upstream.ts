/** A DNS server on loopback that says what a test wants it to say, however odd. */
import dnsPacket, { type Answer, type DecodedPacket } from 'dns-packet';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

export interface Asked {
  readonly name: string;
  readonly type: string;
  readonly protocol: 'udp' | 'tcp';
  readonly id: number;
  readonly packet: DecodedPacket;
}

/** Answers, or what to send instead: bytes as they are, or nothing. */
export interface Said {
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
  readonly rcode?: number;
  readonly truncated?: boolean;
  readonly raw?: (id: number, question: Buffer) => readonly Buffer[];
  /** Milliseconds. */
  readonly delay?: number;
}

export interface Upstream extends AsyncDisposable {
  readonly server: string;
  readonly asked: Asked[];
  say: (asked: Asked) => Said | undefined;
}

export async function startUpstream(say: (asked: Asked) => Said | undefined, address = '127.0.0.1'): Promise<Upstream> {
  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const tcp = createServer();
  tcp.listen({ host: address, port: 0 });
  await once(tcp, 'listening');
  const { port } = tcp.address() as { port: number };
  udp.bind({ address, port });
  await once(udp, 'listening');
  let isClosed = false;
  const upstream: Upstream = {
    server: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
    asked: [],
    say,
    [Symbol.asyncDispose]: async () => {
      isClosed = true;
      udp.close();
      tcp.close();
      await Promise.resolve();
    },
  };
  udp.on('message', (message, peer) => {
    void replies(message, 'udp').then((all) => {
      if (!isClosed) for (const one of all) udp.send(one, peer.port, peer.address);
    });
  });
  tcp.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('data', (data: Buffer) => {
      void replies(data.subarray(2), 'tcp').then((all) => {
        for (const one of all) socket.write(Buffer.concat([Buffer.from([one.length >> 8, one.length & 0xff]), one]));
        if (all.length === 0) socket.end();
      });
    });
  });
  return upstream;

  async function replies(message: Buffer, protocol: 'udp' | 'tcp'): Promise<readonly Buffer[]> {
    const packet = dnsPacket.decode(message);
    const [question] = packet.questions ?? [];
    if (question === undefined) return [];
    const asked = { name: question.name, type: question.type, protocol, id: packet.id ?? 0, packet };
    upstream.asked.push(asked);
    const said = upstream.say(asked);
    if (said === undefined) return [];
    if (said.delay !== undefined) await new Promise((resolve) => setTimeout(resolve, said.delay));
    if (said.raw !== undefined) return said.raw(asked.id, message.subarray(12, questionEnd(message)));
    return [
      dnsPacket.encode({
        id: asked.id,
        type: 'response',
        flags:
          dnsPacket.RECURSION_DESIRED |
          dnsPacket.RECURSION_AVAILABLE |
          (said.truncated === true ? dnsPacket.TRUNCATED_RESPONSE : 0) |
          (said.rcode ?? 0),
        questions: [question],
        answers: [...(said.answers ?? [])],
        authorities: [...(said.authorities ?? [])],
      }),
    ];
  }
}

export function a(name: string, data: string, ttl = 300): Answer {
  return { type: 'A', name, data, ttl, class: 'IN' };
}

export function aaaa(name: string, data: string, ttl = 300): Answer {
  return { type: 'AAAA', name, data, ttl, class: 'IN' };
}

export function cname(name: string, data: string, ttl = 300): Answer {
  return { type: 'CNAME', name, data, ttl, class: 'IN' };
}

export function soa(name: string, minimum = 60): Answer {
  return {
    type: 'SOA',
    name,
    ttl: 3600,
    class: 'IN',
    data: { mname: 'ns.example', rname: 'root.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
  };
}

function questionEnd(message: Buffer): number {
  let offset = 12;
  while ((message[offset] ?? 0) !== 0) offset += (message[offset] ?? 0) + 1;
  return offset + 5;
}
