/**
 * The rule that leads marked packets to a queue of the kernel (netlink/queue.ts). nft has a statement for that, which
 * some kernels lack; then xtables may have its target. Which one is there is found by trying.
 */
import { rmSync } from 'node:fs';
import { heldQueue, hex, queueMark } from '../egress/marks.ts';
import { asOurs } from './firewall/ruleset-state.ts';
import { listReadable, replaceFile } from './files.ts';
import { applyTransaction, KernelLacks, tryAlone } from './nft.ts';
import { runDir } from './paths.ts';
import { findProgram, run } from './run.ts';
import { hasIpv6 } from './sysctl.ts';

/** "nft": a statement of a table of ours; "xtables": a rule in the mangle table for each family. */
export type QueueForm = 'nft' | 'xtables';

/** /run/drawbridge/queue/FORM: its rule was put there. While it is there, an ADD has nothing to do but see it. */
const folder = `${runDir}/queue`;

const forms: readonly QueueForm[] = ['nft', 'xtables'];

/** The form whose rule was put, as far as is noted. */
export function notedQueueForm(): QueueForm | undefined {
  const names = listReadable(folder);
  return forms.find((form) => names.includes(form));
}

/** Puts the rule where it is not there. Returns its form; undefined when this host has none. */
export async function putQueueRule(): Promise<QueueForm | undefined> {
  const noted = notedQueueForm();
  for (const form of noted === undefined ? forms : [noted, ...forms.filter((one) => one !== noted)]) {
    if (!(await put[form]())) continue;
    if (noted !== form) forget();
    replaceFile(`${folder}/${form}`, '');
    return form;
  }
  return undefined;
}

/** The form that the rule has or would have; undefined when this host has none. Changes nothing. */
export async function findQueueForm(): Promise<QueueForm | undefined> {
  const noted = notedQueueForm();
  if (noted !== undefined) return noted;
  if (!(await isLacking(() => tryAlone(nftText)))) return 'nft';
  try {
    // In a network namespace of its own: what stands in this one stays as it is.
    await run('unshare', ['--net', '--', 'iptables', '-w', '5', '-t', 'mangle', '-I', ...xtablesRule]);
    return 'xtables';
  } catch {
    return undefined;
  }
}

/** The form in which the rule stands now, as far as one is noted. Changes nothing. */
export async function standingQueueForm(): Promise<QueueForm | undefined> {
  const noted = notedQueueForm();
  if (noted === undefined) return undefined;
  const stands =
    noted === 'nft'
      ? await isNftThere()
      : (await Promise.all(xtablesPrograms().map((program) => tries(program, ['-C', ...xtablesRule])))).every(Boolean);
  return stands ? noted : undefined;
}

/** Takes the rule away, in whatever form it is there. */
export async function removeQueueRule(): Promise<void> {
  if (findProgram('nft') !== undefined) await applyTransaction(`${nftTable}\ndelete ${nftTable}\n`);
  for (const program of ['iptables', 'ip6tables'])
    while ((await tries(program, ['-C', ...xtablesRule])) && (await tries(program, ['-D', ...xtablesRule])));
  forget();
}

function forget(): void {
  for (const form of listReadable(folder)) rmSync(`${folder}/${form}`, { force: true });
}

const put: Readonly<Record<QueueForm, () => Promise<boolean>>> = { nft: putNft, xtables: putXtables };

const nftTable = 'table inet drawbridge_queue';

/** Whole each time: its text is all that the table may hold. */
const nftText = `${nftTable}
delete ${nftTable}
${nftTable} {
  chain held {
    type filter hook postrouting priority -150;
    meta mark & ${hex(queueMark)} != 0 queue num ${heldQueue}
  }
}
`;

/** What is there stays: the kernel drops packets that wait when the chain is replaced that they came from. */
async function putNft(): Promise<boolean> {
  if (await isNftThere()) return true;
  if (await isLacking(() => tryAlone(nftText))) return false;
  return (await applyTransaction(nftText)) === 'committed';
}

async function isNftThere(): Promise<boolean> {
  try {
    const { stdout } = await run('nft', ['-j', 'list', 'chain', ...nftTable.split(' ').slice(1), 'held']);
    const { nftables } = JSON.parse(stdout) as { nftables: { rule?: { expr: object[] } }[] };
    return nftables.some(({ rule }) => rule?.expr.some((one) => 'queue' in one));
  } catch {
    return false;
  }
}

/** Whether the kernel lacks what a text needs; what else is wrong with it is thrown, and not taken for that. */
async function isLacking(attempt: () => Promise<void>): Promise<boolean> {
  try {
    await attempt();
    return false;
  } catch (error) {
    if (error instanceof KernelLacks) return true;
    throw error;
  }
}

const xtablesRule =
  `POSTROUTING -m mark --mark ${hex(queueMark)}/${hex(queueMark)} -m comment --comment drawbridge -j NFQUEUE --queue-num ${heldQueue}`.split(
    ' ',
  );

function xtablesPrograms(): string[] {
  return ['iptables', ...(hasIpv6() ? ['ip6tables'] : [])];
}

/** First in its chain: an accept of somebody else's would end the way there. */
async function putXtables(): Promise<boolean> {
  const done = await Promise.all(
    xtablesPrograms().map(
      async (program) => (await tries(program, ['-C', ...xtablesRule])) || tries(program, ['-I', ...xtablesRule]),
    ),
  );
  return done.every(Boolean);
}

async function tries(program: string, args: readonly string[]): Promise<boolean> {
  try {
    await asOurs(async () => run(program, ['-w', '5', '-t', 'mangle', ...args]));
    return true;
  } catch {
    return false;
  }
}
