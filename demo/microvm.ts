/**
 * A guest of QEMU behind a tap of `drawbridge tap add`, shown on a private host with an internet of its own: what the
 * guest is told, what it reaches and why, a port that is published after it booted, and the proof that nothing is left.
 * Touches nothing of the machine that it runs on. `sh test/kernels/roots.sh guest` brings QEMU and a kernel.
 */
import pc from 'picocolors';
import { executable } from '../test/helpers/executable.ts';
import { makeHost, type ExecResult, type Outside } from '../test/helpers/private-host.ts';
import { makeImage, missingForGuests, releaseOf, removeImage } from '../test/microvm/image.ts';
import { bootGuest, type GuestWords } from '../test/microvm/vm.ts';

const started = performance.now();
const missing = missingForGuests();
if (missing !== undefined)
  throw new Error(`Cannot boot a guest: ${missing} is not here; "sh test/kernels/roots.sh guest" brings it`);

/** What the host remembers of the boot that leases belong to, and what the demo itself left there. */
const keptByDesign = [/\/boot\//, /vm-\d+\.in/, /daemon-\d+\.log/, /\/listings\//];

const surprises: string[] = [];

await using host = await makeHost();
title('A private host, and an internet for it to reach');
const outside = await buildInternet();
tell(
  'host 192.0.2.1; behind it 203.0.113.10 and 203.0.113.20 (web), 10.1.2.3 (somebody’s LAN), 169.254.169.254 (metadata)',
);

title('A tap for a guest that reaches one address');
const words = ['tap', 'add', 'vm1', '--subnet', '172.16.0.0/30', '--allow', '203.0.113.10:80'];
tell(pc.dim(`# drawbridge ${words.join(' ')}`));
process.stdout.write(`${indented((await drawbridge(...words)).stdout)}\n`);
const guest = await readGuest();

const image = makeImage();
title(`A guest boots: QEMU, ${releaseOf(image)}`);
const booted = performance.now();
const vm = await bootGuest(host, image, guest);
removeImage(image);
tell(
  `after ${((performance.now() - booted) / 1000).toFixed(0)} s it has ${(await vm.run("ip -4 -o addr show eth0 | awk '{print $4}'")).text}, from the argument of its kernel`,
);

title('What it reaches, and why');
for (const [address, about] of [
  ['203.0.113.10', 'web, allowed'],
  ['203.0.113.20', 'other web'],
  ['10.1.2.3', 'somebody’s LAN'],
  ['169.254.169.254', 'metadata'],
  ['172.16.0.1', 'the host'],
] as const)
  await tryToReach(address, about);

title('A port that is published after it booted');
await vm.run("(while :; do echo 'Hello from the guest!' | nc -l -p 80 >/dev/null 2>&1; done &)");
tell(`before: http://${outside.hostV4}:8080 answers ${pc.bold(await host.fetch(outside, outside.hostV4, 8080))}`);
tell(pc.dim('# drawbridge port add vm1 8080:80'));
await drawbridge('port', 'add', 'vm1', '8080:80');
const page = await host.fetch(outside, outside.hostV4, 8080, { timeout: 5000 });
tell(`after: http://${outside.hostV4}:8080 answers ${pc.bold(page.trim())}`);
if (!page.includes('Hello from the guest!')) surprises.push(`port 8080 answers "${page}"`);

title('Its VM is killed, and all of it is removed');
await vm.daemon.stop(9);
tell(pc.dim('# drawbridge tap remove vm1'));
process.stdout.write(indented((await drawbridge('tap', 'remove', 'vm1')).stdout));
const left = await host.leftovers({ allow: keptByDesign });
if (left.length > 0) throw new Error(`Something is left:\n${left.join('\n')}`);
tell(pc.green('nothing is left: no tap, no rule, no route, no lease, no record'));
if (surprises.length > 0) throw new Error(`Not as it should be: ${surprises.join(', ')}`);
process.stdout.write(`\nDone in ${((performance.now() - started) / 1000).toFixed(1)} s.\n`);

async function buildInternet(): Promise<Outside> {
  const internet = await host.outside();
  const addresses = ['203.0.113.10', '203.0.113.20', '10.1.2.3', '169.254.169.254'];
  await internet.address(...addresses);
  for (const address of addresses) await host.serve(internet, { port: 80, address, reply: 'hello' });
  await host.serve(host, { port: 80, reply: 'a service of the host' });
  return internet;
}

async function readGuest(): Promise<GuestWords> {
  const [found] = JSON.parse((await drawbridge('list', 'vm1', '--json')).stdout) as { guest: GuestWords }[];
  if (found === undefined) throw new Error('"drawbridge list" does not know the guest');
  return found.guest;
}

/** A real connection from inside, and what `explain` says of it; both must agree. */
async function tryToReach(address: string, about: string): Promise<void> {
  const { text } = await vm.run(`nc -w 3 ${address} 80 2>&1`);
  const reached = text === 'hello' || text.startsWith('a service');
  const { verdict, reason } = JSON.parse((await drawbridge('explain', 'vm1', `${address}:80`, '--json')).stdout) as {
    verdict: string;
    reason: string;
  };
  if (reached !== (verdict === 'allow')) surprises.push(`${address} is "${text}", expected "${verdict}"`);
  const answer = reached ? pc.green('reached') : pc.red(/refused|unreachable/u.test(text) ? 'refused' : 'timeout');
  tell(`${answer}  ${pc.bold(address.padEnd(16))} ${about.padEnd(15)} ${pc.dim(reason)}`);
}

async function drawbridge(...line: readonly string[]): Promise<ExecResult> {
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const ran = await host.exec([executable, ...line], { env: { PATH: path, LC_ALL: 'C.UTF-8' }, timeout: 30_000 });
  const isAnswer = line[0] === 'explain' && ran.code === 1;
  if (ran.code !== 0 && !isAnswer) throw new Error(`drawbridge ${line.join(' ')}: ${ran.stderr}`);
  return ran;
}

function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gmu, '  ');
}

function title(text: string): void {
  process.stdout.write(`\n${pc.bold(text)}\n`);
}

function tell(text: string): void {
  process.stdout.write(`  ${text}\n`);
}
