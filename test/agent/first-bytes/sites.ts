/**
 * A container that may ask for one of two sites at one address, nginx behind that address, and dnsmasq that names it:
 *
 *   198.51.100.1, 2001:db8:1::1   good.example.org (allowed), also.example.org, evil.example.net (not allowed)
 */
import type { Container, Conflist, Host, Outside } from '../../helpers/host.ts';
import { startAgent, until, type Agent } from '../process/agent.ts';
import { conflistWith } from '../process/network.ts';

const address = '198.51.100.1';
const address6 = '2001:db8:1::1';
const names = ['good.example.org', 'also.example.org', 'evil.example.net'];

export interface Sites {
  readonly host: Host;
  readonly outside: Outside;
  readonly container: Container;
  readonly conflist: Conflist;
  readonly agent: Agent;
  /** What curl says: the body of the answer, or "curl: " and the exit status. */
  curl(url: string, ...more: readonly string[]): Promise<string>;
  /** The same from another container. */
  curlFrom(container: Container, url: string, ...more: readonly string[]): Promise<string>;
  /** Lines of the server's log: the name that was asked for, and "tls" or "http". */
  asked(): Promise<string[]>;
  /** Counts of the kernel by their names. */
  counter(name: string): Promise<number>;
}

export interface SitesOptions {
  readonly policy?: Record<string, unknown>;
  /** Starts no agent. */
  readonly withoutAgent?: boolean;
}

export async function makeSites(host: Host, { policy, withoutAgent }: SitesOptions = {}): Promise<Sites> {
  const outside = await host.outside();
  await outside.address(address, address6);
  await startNginx(host, outside);
  await startDns(host, outside);
  const conflist = conflistWith({
    mode: 'allowlist',
    allow: ['good.example.org:443', 'good.example.org:80'],
    verifyNames: true,
    ...policy,
  });
  const container = await host.container();
  const agent = withoutAgent === true ? noAgent : await startAgent(host);
  const added = await host.addChain(conflist, { container });
  if (added.error !== undefined) throw new Error(JSON.stringify(added.error));
  return {
    host,
    outside,
    container,
    conflist,
    agent,
    curl: (url, ...more) => curl(container, url, more),
    curlFrom: (from, url, ...more) => curl(from, url, more),
    asked: async () => (await host.run(['cat', '/run/nginx/asked'])).split('\n').filter((line) => line !== ''),
    counter: async (name) => {
      const text = await host.run(['nft', 'list', 'counter', 'inet', 'drawbridge', name]);
      return Number(/packets (\d+)/.exec(text)?.[1]);
    },
  };
}

const noAgent: Agent = {
  pid: 0,
  ask: () => Promise.reject(new Error('there is no agent')),
  log: async () => [],
  running: async () => false,
  kill: async () => {},
  stop: async () => ({ code: 0 }),
};

/** Asks for a name at the address that all names have. */
async function curl(container: Container, url: string, more: readonly string[]): Promise<string> {
  const { hostname, port, protocol } = new URL(url);
  const at = `${hostname}:${port || (protocol === 'https:' ? '443' : '80')}:${address}`;
  const { code, stdout } = await container.exec(['curl', '-sk', '--max-time', '4', '--resolve', at, ...more, url], {
    timeout: 12_000,
  });
  return code === 0 ? stdout : `curl: ${code}`;
}

/** Opens a connection to the allowed site that stays; what is returned asks it once more and says what came. */
export async function hold(
  host: Host,
  container: Container,
  name = 'good.example.org',
): Promise<() => Promise<string>> {
  const script = `import socket, ssl, sys
context = ssl._create_unverified_context()
tls = context.wrap_socket(socket.create_connection(("${address}", 443)), server_hostname="${name}")
tls.settimeout(3)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
while True:
    asker, _ = listener.accept()
    try:
        tls.sendall(b"GET / HTTP/1.1\\r\\nHost: ${name}\\r\\n\\r\\n")
        answer = tls.recv(4096)
    except OSError as error:
        answer = repr(error).encode()
    asker.sendall(answer or b"closed")
    asker.close()`;
  const place = `/run/held-${(held += 1)}`;
  await host.run(['/bin/sh', '-c', `cat > ${place}.py`], { input: script });
  await host.spawn(['python3', `${place}.py`, place], { where: container });
  await until(async () => (await host.exec(['test', '-S', place])).code === 0);
  return () => host.run(['socat', '-t10', '-', `UNIX:${place}`]);
}

let held = 0;

async function startNginx(host: Host, outside: Outside): Promise<void> {
  await host.sh(`
    mkdir -p /run/nginx
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=good.example.org \
      -keyout /run/nginx/key -out /run/nginx/certificate 2>/dev/null`);
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (one) => `${one}_temp_path /run/nginx/${one};`,
  );
  const servers = names.map(
    (name) => `server {
      server_name ${name};
      listen 80; listen [::]:80; listen 443 ssl http2; listen [::]:443 ssl http2; listen 8080 http2;
      location /big { root /run/nginx; }
      location / { return 200 "${name} $server_protocol\\n"; }
    }`,
  );
  const conf = `worker_processes 1; daemon off; pid /run/nginx/pid; error_log /run/nginx/errors; user root;
    events { worker_connections 4096; }
    http {
      log_format asked "$ssl_server_name $host $server_protocol";
      access_log /run/nginx/asked asked;
      ${paths.join(' ')}
      ssl_certificate /run/nginx/certificate; ssl_certificate_key /run/nginx/key;
      ${servers.join('\n')}
    }`;
  await host.run(['/bin/sh', '-c', 'cat > /run/nginx/conf'], { input: conf });
  await host.spawn(['nginx', '-e', '/run/nginx/errors', '-c', '/run/nginx/conf'], { where: outside });
  await until(async () => (await host.exec(['curl', '-sk', `https://${address}/`], { where: outside })).code === 0);
  await host.sh('> /run/nginx/asked');
}

async function startDns(host: Host, outside: Outside): Promise<void> {
  const lines = names.flatMap((name) => [`${address} ${name}`, `${address6} ${name}`]);
  await host.run(['/bin/sh', '-c', 'cat > /run/hosts'], { input: `${lines.join('\n')}\n` });
  const args = ['--keep-in-foreground', '--no-resolv', '--no-hosts', '--addn-hosts=/run/hosts', '--local=/#/'];
  const more = ['--local-ttl=1', '--user=root', '--bind-interfaces', '--pid-file=', '--conf-file=/dev/null'];
  await host.spawn(['dnsmasq', ...args, ...more, `--listen-address=${outside.v4}`], { where: outside });
  await host.sh(`printf 'nameserver ${outside.v4}\\n' > /etc/resolv.conf`);
  await until(async () => (await host.exec(['dig', '+time=1', '+tries=1', `@${outside.v4}`, 'x.test'])).code === 0);
}
