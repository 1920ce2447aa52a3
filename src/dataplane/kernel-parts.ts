/**
 * What the rules need of a kernel. It answers that "no such file" where a module is not there, for the whole
 * transaction and without saying which: so each is asked for by itself, once something failed.
 */
import { CniError, codes } from '../cni/errors.ts';
import { KernelLacks, tryAlone } from '../host/nft.ts';
import { trialText } from './transaction.ts';

interface KernelPart {
  readonly module: string;
  /** A module that its chain needs as well; all need nf_tables. */
  readonly needs?: string;
  /** What is in a chain that needs it. */
  readonly chain: string;
}

const forward = 'type filter hook forward priority 0;';
const nat = 'nft_chain_nat';
const log = 'nft_log';

/** What others need comes before them. */
const parts: readonly KernelPart[] = [
  { module: 'nf_tables', chain: forward },
  { module: 'nft_ct', chain: `${forward} ct mark 0` },
  { module: 'nft_counter', chain: `${forward} counter` },
  { module: 'nft_limit', chain: `${forward} limit rate 1/second` },
  // Of policies alone, and of those with a quota.
  { module: 'nft_connlimit', chain: `${forward} ct count over 1` },
  { module: 'nft_quota', chain: `${forward} quota over 1 bytes` },
  { module: 'nft_fib_inet', chain: `${forward} fib daddr type local` },
  { module: 'nft_reject_inet', chain: `${forward} reject` },
  // Of this level nobody but nft_log hears; a group is what nfnetlink_log hears.
  { module: log, chain: `${forward} log level audit` },
  { module: 'nfnetlink_log', needs: log, chain: `${forward} log group 1` },
  { module: nat, chain: 'type nat hook postrouting priority 100;' },
  {
    module: 'nft_nat',
    needs: nat,
    chain: 'type nat hook prerouting priority -100; ip daddr 192.0.2.1 dnat ip to 192.0.2.2',
  },
  { module: 'nft_masq', needs: nat, chain: 'type nat hook postrouting priority 100; masquerade' },
  { module: 'nft_redir', needs: nat, chain: 'type nat hook prerouting priority -100; udp dport 53 redirect to :53' },
];

/**
 * Finds out whether kernel and nft would take the layout; changes nothing. Throws code 100 where not, with the names of
 * modules that the kernel lacks.
 */
export async function tryLayout(): Promise<void> {
  await namingModules(() => tryAlone(trialText()));
}

/** Throws what `work` throws; names the modules where it is the kernel that lacks something. */
export async function namingModules<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KernelLacks) await requireModules();
    throw error;
  }
}

/** Throws code 100 with the names of modules that rules may need, or that are asked for, and the kernel lacks. */
export async function requireModules(wanted?: readonly string[]): Promise<void> {
  const asked = parts.filter(({ module }) => wanted === undefined || wanted.includes(module));
  const lacks = await lackingOf(asked);
  const [first, ...others] = lacks;
  if (first === undefined) return;
  const also = others.length === 0 ? '' : `, nor ${others.map((one) => `"${one}"`).join(' and ')}`;
  throw new CniError(
    codes.commandFailed,
    `Cannot write rules: the kernel has no module "${first}"${also}`,
    `Run "modprobe -a ${lacks.join(' ')}", or start a kernel that has what is not found there`,
  );
}

/** What needs a module that is missing says nothing about its own. */
async function lackingOf(asked: readonly KernelPart[]): Promise<string[]> {
  const lacks: string[] = [];
  for (const { module, needs = 'nf_tables', chain } of asked)
    if (!lacks.includes(needs) && !(await isTaken(chain))) lacks.push(module);
  return lacks;
}

async function isTaken(chain: string): Promise<boolean> {
  try {
    await tryAlone(`table inet drawbridge_part {\n  chain part {\n    ${chain}\n  }\n}\n`);
    return true;
  } catch (error) {
    if (error instanceof KernelLacks) return false;
    throw error;
  }
}
