/** Clients of other libraries than curl's: each has a ClientHello of its own. */
import { expect, test } from '../../helpers/host.ts';
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
  const { container, asked } = await makeSites(host);
  const said: Record<string, readonly boolean[]> = {};
  for (const { client, command } of clients) {
    const answers: boolean[] = [];
    for (const name of ['good.example.org', 'evil.example.net']) {
      const { stdout } = await container.exec(['/bin/sh', '-c', command(name)], { timeout: 15_000 });
      answers.push(stdout.includes(`${name} HTTP/`));
    }
    said[client] = answers;
  }
  expect(said).toEqual(Object.fromEntries(clients.map(({ client }) => [client, [true, false]])));
  expect((await asked()).filter((line) => line.includes('evil'))).toEqual([]);
});
