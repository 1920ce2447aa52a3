/** The act about one address that two sites have: a sandbox may have one of them, and its first bytes say which. */
import { executable } from '../test/helpers/executable.ts';
import { startDns } from '../test/helpers/dns.ts';
import type { Container, Daemon, Host, Outside } from '../test/helpers/private-host.ts';
import type { Conflist, Json } from '../test/helpers/runtime.ts';

export interface SitesAct {
  readonly host: Host;
  readonly outside: Outside;
  readonly tell: (text: string) => void;
  /** conf/40-sandbox.conflist. */
  readonly sandbox: Conflist;
  readonly connect: (name: string, conflist: Conflist) => Promise<{ container: Container; conflist: Conflist }>;
}

const server = '203.0.113.54';
const address = '203.0.113.30';
/** The sandbox may ask for the first one. */
const sites = ['api.example.org', 'other.example.net'] as const;

const webServer = `import http.server
class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(f"this is {self.headers['Host']}".encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("${address}", 80), Site).serve_forever()`;

const webClient = `import http.client, sys, time
began = time.time()
try:
    site = http.client.HTTPConnection("${address}", 80, timeout=5)
    site.request("GET", "/", headers={"Host": sys.argv[1]})
    print(site.getresponse().read().decode())
except TimeoutError: print("timeout")
except (OSError, http.client.HTTPException): print("refused after %d ms" % (1000 * (time.time() - began)))`;

/** What has to be so at its end; empty when it is. */
export async function showSites({ host, outside, tell, sandbox, connect }: SitesAct): Promise<string[]> {
  await outside.address(server, address);
  const zone = Object.fromEntries(sites.map((name) => [name, { A: [address] }]));
  await startDns(host, zone, { where: outside, address: server });
  await host.spawn(['/usr/bin/python3', '-I', '-S', '-c', webServer], { where: outside });
  const agent = await startAgent(host);
  const { container, conflist } = await connect('sandbox', forSites(sandbox));
  const watching = host.exec([executable, 'watch', '--for', '4', '--json'], { timeout: 15_000 });
  // In JSON nobody is told of what was before.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const answers: string[] = [];
  for (const name of sites) {
    const { stdout } = await container.exec(['/usr/bin/python3', '-I', '-S', '-c', webClient, name]);
    answers.push(stdout.trim());
    tell(`"sandbox" asks ${address} for ${name}: ${stdout.trim()}`);
  }
  const watched = (await watching).stdout.split('\n').find((line) => line.includes(sites[1])) ?? '{}';
  const { reason = 'nothing' } = JSON.parse(watched) as { reason?: string };
  tell(`drawbridge watch: ${reason}`);
  await agent.stop();
  await host.delChain(conflist, { container });
  // With nobody left whose names are checked, an agent takes the rule away that leads to its queue.
  await (await startAgent(host)).stop();
  return [
    ...(answers[0] === `this is ${sites[0]}` ? [] : ['the allowed site']),
    ...(answers[1]?.startsWith('refused') === true ? [] : ['the other site at its address']),
    ...(reason.includes(sites[1]) ? [] : ['what "watch" says of it']),
  ];
}

function forSites({ plugins, ...list }: Conflist): Conflist {
  const more = { allow: [`${sites[0]}:80`], dns: { upstream: [server] } };
  return {
    ...list,
    plugins: plugins.map((plugin) => ({ ...plugin, egress: { ...(plugin['egress'] as Json), ...more } })),
  } as Conflist;
}

async function startAgent(host: Host): Promise<Daemon> {
  const agent = await host.spawn([executable, 'agent']);
  for (let tries = 0; !(await host.run(['cat', agent.log])).includes('agent is ready'); tries++) {
    if (tries > 400) throw new Error(`The agent does not start: ${await host.run(['cat', agent.log])}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return agent;
}
