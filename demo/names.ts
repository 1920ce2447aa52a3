/**
 * The act about names: what a container asked for is refused and told by its name, and a policy is written from what
 * another one did.
 */
import { executable } from '../test/helpers/executable.ts';
import { startDns } from '../test/helpers/dns.ts';
import type { Container, Host, Outside } from '../test/helpers/private-host.ts';
import type { Conflist, Json } from '../test/helpers/runtime.ts';

export interface NamesAct {
  readonly host: Host;
  readonly outside: Outside;
  readonly tell: (text: string) => void;
  /** Connects a container under a policy; what it returns removes it. */
  readonly connect: (name: string, policy: Json) => Promise<{ container: Container; conflist: Conflist }>;
}

/** Where the internet's name server is. */
const server = '203.0.113.53';

const zone = {
  'www.example.org': { A: ['203.0.113.10'] },
  'tracker.example.net': { A: ['203.0.113.20'] },
};

/** What has to be so at its end; empty when it is. */
export async function showNames({ host, outside, tell, connect }: NamesAct): Promise<string[]> {
  await outside.address(server);
  await startDns(host, zone, { where: outside, address: server });
  // Without root it is another user's file.
  await host.sh(
    `rm -f /etc/resolv.conf; echo 'nameserver ${server}' > /etc/resolv.conf; mkdir -p /etc/drawbridge/policies`,
  );
  await host.sh('cat > /etc/drawbridge/policies/shop.json', { input: '{ "allow": ["www.example.org:80"] }\n' });
  const agent = await host.spawn([executable, 'agent', '--log-level', 'info']);
  await until('the agent is ready', async () => (await host.run(['cat', agent.log])).includes('agent is ready'));
  const shop = await connect('shop', { policy: 'shop' });
  const job = await connect('job', { mode: 'allowlist', preset: ['none'], audit: true });
  const visits = [
    await visit(shop.container, 'www.example.org'),
    await visit(shop.container, 'tracker.example.net'),
    await visit(job.container, 'tracker.example.net'),
  ];
  tell(
    `"shop" may reach www.example.org:80. It asks for www.example.org: ${visits[0]}; for tracker.example.net: ${visits[1]}`,
  );
  let flows = '';
  await until('what was refused is recorded', async () => {
    flows = (await host.run([executable, 'flows', 'shop'])).trim();
    return flows.includes('tracker.example.net');
  });
  tell(`drawbridge flows shop\n${indented(flows)}`);
  tell(`"job" may reach nothing, and is only looked at ("audit"). It asks for tracker.example.net: ${visits[2]}`);
  let learnt = '';
  await until('a policy is learnt', async () => {
    learnt = (await host.exec([executable, 'learn', 'job'])).stdout.trim();
    return learnt.includes('tracker.example.net');
  });
  await host.sh('cat > /etc/drawbridge/policies/job.json', { input: learnt });
  tell(`drawbridge learn job > /etc/drawbridge/policies/job.json\n${indented(learnt)}`);
  const checked = await host.exec([executable, 'policy', 'check', '/etc/drawbridge/policies/job.json']);
  for (const { container, conflist } of [shop, job]) await host.delChain(conflist, { container });
  await agent.stop();
  const wrong = [
    ['the allowed name', visits[0] !== 'hello'],
    ['the refused name', visits[1] !== 'no such name for it'],
    ['the name under audit', visits[2] !== 'hello'],
    ['the policy that was learnt', checked.code !== 0],
  ] as const;
  return wrong.flatMap(([what, isWrong]) => (isWrong ? [what] : []));
}

/** What a page by its name says, as a program in the container gets it. */
async function visit(container: Container, name: string): Promise<string> {
  const program = `
import socket, sys
try: address = socket.gethostbyname(sys.argv[1])
except OSError: print("no such name for it"); sys.exit()
try:
  with socket.create_connection((address, 80), 3) as page: print(page.recv(100).decode())
except OSError as error: print(error.strerror or "timeout")`;
  return (await container.exec(['/usr/bin/python3', '-I', '-S', '-c', program, name])).stdout.trim();
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const ends = performance.now() + 10_000;
  while (!(await isSo())) {
    if (performance.now() > ends) throw new Error(`Not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '    ');
}
