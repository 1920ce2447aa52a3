import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server, type Socket as Stream } from 'node:net';
import { readAnyAddress } from '../../../src/ip/address.ts';

/** What the server says about a name: addresses with TTLs, behind CNAMEs if there are any, or a failure. */
export interface Script {
  readonly a?: readonly (readonly [address: string, ttl: number])[];
  readonly aaaa?: readonly (readonly [address: string, ttl: number])[];
  readonly cnames?: readonly (readonly [name: string, ttl: number])[];
  /** Response code: 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED. */
  readonly code?: number;
  /** Of AAAA queries alone. */
  readonly codeOfAaaa?: number;
  /** No answer at all. */
  readonly silent?: boolean;
  /** Milliseconds. */
  readonly delay?: number;
}

/** A name server on the loopback interface that says what it is told to. */
export class DnsServer {
  /** Names asked for, with the type: "a.example.org A". */
  readonly asked: string[] = [];
  readonly #script: Map<string, Script>;
  readonly #udp: Socket = createSocket('udp4');
  readonly #tcp: Server;
  readonly #streams = new Set<Stream>();
  #port = 0;

  private constructor(script: Record<string, Script>) {
    this.#script = new Map(Object.entries(script));
    this.#udp.on('message', (query, from) =>
      this.#respond(query, true, (answer) => this.#udp.send(answer, from.port, from.address)),
    );
    this.#tcp = createServer((stream) => {
      this.#streams.add(stream);
      stream.on('error', () => {});
      stream.on('data', (data: Buffer) =>
        this.#respond(data.subarray(2), false, (answer) => stream.write(Buffer.concat([u16(answer.length), answer]))),
      );
    });
  }

  static async start(script: Record<string, Script>): Promise<DnsServer> {
    const server = new DnsServer(script);
    await new Promise<void>((done) => void server.#udp.bind(0, '127.0.0.1', done));
    server.#port = server.#udp.address().port;
    const isFree = await new Promise<boolean>((done) => {
      server.#tcp.once('error', () => done(false));
      server.#tcp.listen(server.#port, '127.0.0.1', () => done(true));
    });
    if (isFree) return server;
    // Somebody else has the port for TCP.
    server.#udp.close();
    return DnsServer.start(script);
  }

  /** As `dns.upstream` has it. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  say(name: string, script: Script): void {
    this.#script.set(name, script);
  }

  async stop(): Promise<void> {
    for (const stream of this.#streams) stream.destroy();
    await new Promise<void>((done) => void this.#udp.close(done));
    await new Promise<void>((done) => void this.#tcp.close(() => done()));
  }

  #respond(query: Buffer, mayTruncate: boolean, send: (answer: Buffer) => void): void {
    const { name, type, end } = readQuestion(query);
    this.asked.push(`${name} ${type === 28 ? 'AAAA' : 'A'}`);
    const script = this.#script.get(name) ?? { code: 3 };
    if (script.silent === true) return;
    const code = (type === 28 ? script.codeOfAaaa : undefined) ?? script.code ?? 0;
    const records = code === 0 ? recordsOf(name, type, script) : [];
    const question = query.subarray(12, end);
    const whole = Buffer.concat([header(query, code, records.length, false), question, ...records]);
    const answer = mayTruncate && whole.length > 512 ? Buffer.concat([header(query, code, 0, true), question]) : whole;
    if (script.delay === undefined) send(answer);
    else setTimeout(() => send(answer), script.delay).unref();
  }
}

function readQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function header(query: Buffer, code: number, answers: number, truncated: boolean): Buffer {
  return Buffer.concat([
    query.subarray(0, 2),
    u16(0x8180 | code | (truncated ? 0x200 : 0)),
    u16(1),
    u16(answers),
    u16(0),
    u16(0),
  ]);
}

function recordsOf(name: string, type: number, { a = [], aaaa = [], cnames = [] }: Script): Buffer[] {
  const chain = cnames.map(([target, ttl], index) =>
    record(cnames[index - 1]?.[0] ?? name, 5, ttl, encodeName(target)),
  );
  const owner = cnames.at(-1)?.[0] ?? name;
  return [
    ...chain,
    ...(type === 28 ? aaaa : a).map(([address, ttl]) => record(owner, type, ttl, encodeAddress(address))),
  ];
}

function record(owner: string, type: number, ttl: number, data: Buffer): Buffer {
  const time = Buffer.alloc(4);
  time.writeUInt32BE(ttl);
  return Buffer.concat([encodeName(owner), u16(type), u16(1), time, u16(data.length), data]);
}

function encodeName(name: string): Buffer {
  return Buffer.concat([
    ...name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);
}

function encodeAddress(text: string): Buffer {
  const { family, value } = readAnyAddress(text) ?? { family: 4, value: 0n };
  return Buffer.from(value.toString(16).padStart(family === 4 ? 8 : 32, '0'), 'hex');
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
