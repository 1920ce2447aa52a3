/** Clients of other libraries than curl's: each has a ClientHello of its own. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, test, type Host } from '../../helpers/host.ts';
import { makeSites } from './sites.ts';

/** Commands that print what a site answers, or fail; the name resolves to the address that both sites have. */
const clients: readonly { readonly client: string; readonly command: (name: string) => string }[] = [
  {
    client: 'GnuTLS',
    command: (name) =>
      `printf 'GET / HTTP/1.1\\r\\nHost: ${name}\\r\\nConnection: close\\r\\n\\r\\n' | timeout 5 gnutls-cli --insecure --sni-hostname ${name} -p 443 198.51.100.1`,
  },
  {
    client: 'Python',
    command: (name) => `timeout 5 python3 -c '
import socket, ssl
tls = ssl._create_unverified_context().wrap_socket(socket.create_connection(("198.51.100.1", 443)), server_hostname="${name}")
tls.sendall(b"GET / HTTP/1.1\\r\\nHost: ${name}\\r\\nConnection: close\\r\\n\\r\\n")
print(b"".join(iter(lambda: tls.recv(4096), b"")).decode())'`,
  },
  {
    client: 'Node',
    command: (name) =>
      `timeout 8 ${process.execPath} -e 'require("https").get({ host: "198.51.100.1", servername: "${name}", headers: { host: "${name}" }, rejectUnauthorized: false }, (answer) => answer.pipe(process.stdout)).on("error", () => process.exit(1))'`,
  },
  {
    client: 'OpenSSL',
    command: (name) =>
      `printf 'GET / HTTP/1.1\\r\\nHost: ${name}\\r\\nConnection: close\\r\\n\\r\\n' | timeout 5 openssl s_client -quiet -no_ign_eof -ign_eof -servername ${name} -connect 198.51.100.1:443 2>/dev/null`,
  },
];

test('clients of several libraries reach the allowed site at an address, and none the other one', async ({ host }) => {
  expect(await answers(host, clients)).toEqual(
    Object.fromEntries(clients.map(({ client }) => [client, [true, false]])),
  );
});

const programs = [process.env['PATH'] ?? '', '/usr/local/go/bin', '/usr/lib/go/bin'].join(delimiter);
const has = (program: string): boolean => programs.split(delimiter).some((folder) => existsSync(join(folder, program)));

test.skipIf(!has('go'))(
  "Go's client reaches the allowed site at an address, and not the other one",
  async ({ host }) => {
    const program = goClient();
    expect(await answers(host, [{ client: 'Go', command: (name) => `${program} ${name}` }])).toEqual({
      Go: [true, false],
    });
  },
);

/** Built once: with Go's own library, which takes a minute. */
function goClient(): string {
  const source = join(import.meta.dirname, 'client.go');
  const hash = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 12);
  const bin = join(import.meta.dirname, '../../.cache/bin');
  const program = join(bin, `first-bytes-client-${hash}`);
  if (existsSync(program)) return program;
  mkdirSync(bin, { recursive: true });
  const draft = mkdtempSync(join(bin, 'build-'));
  try {
    execFileSync('go', ['build', '-o', join(draft, 'client'), source], {
      env: { ...process.env, PATH: programs, GOCACHE: join(draft, 'cache'), GO111MODULE: 'off', GOTOOLCHAIN: 'local' },
      stdio: 'pipe',
    });
    renameSync(join(draft, 'client'), program);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return program;
}

test.skipIf(!has('java'))(
  "Java's client reaches the allowed site at an address, and not the other one",
  async ({ host }) => {
    const source = join(import.meta.dirname, 'Client.java');
    const command = (name: string): string => `java -XX:TieredStopAtLevel=1 ${source} ${name}`;
    expect(await answers(host, [{ client: 'Java', command }])).toEqual({ Java: [true, false] });
  },
);

/** Whether each client gets an answer of the allowed site, and of the other one, whose server is asked nothing. */
async function answers(host: Host, list: typeof clients): Promise<Record<string, readonly boolean[]>> {
  const { container, asked } = await makeSites(host);
  const said: Record<string, readonly boolean[]> = {};
  for (const { client, command } of list) {
    const each: boolean[] = [];
    for (const name of ['good.example.org', 'evil.example.net']) {
      const { stdout } = await container.exec(['/bin/sh', '-c', command(name)], { timeout: 40_000 });
      each.push(stdout.includes(`${name} HTTP/`));
    }
    said[client] = each;
  }
  expect((await asked()).filter((line) => line.includes('evil'))).toEqual([]);
  return said;
}
