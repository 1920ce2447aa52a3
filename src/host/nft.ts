import { CniError, codes } from '../cni/errors.ts';
import { asOurs } from './firewall/ruleset-state.ts';
import { CommandError, findProgram, run } from './run.ts';
import { readNftError } from './tool-error.ts';

/**
 * What became of a transaction: "committed", or "stale" when the kernel does not hold what the transaction
 * rests on (something to delete is missing, something to create is there, a chain is still in use), "full" when a set
 * has no room for what is added; either way nothing of it was done.
 */
export type Outcome = 'committed' | 'stale' | 'full';

/** Milliseconds; the largest transaction that we write takes less than a second. */
const deadline = 20_000;

/**
 * Commits a transaction, whole or not at all.
 *
 * Throws {@link CniError} with code 100 when nft is missing, cannot reach nf_tables, or refuses the text.
 */
export async function applyTransaction(text: string): Promise<Outcome> {
  return asOurs(async () => attempt(['-f', '-'], text));
}

/**
 * Tries a transaction on the kernel and takes it back: nothing changes, and nobody sees it in between.
 * "stale" says that it could not be committed as the tables are now. Throws as {@link applyTransaction}.
 */
export async function tryTransaction(text: string): Promise<Outcome> {
  return attempt(['--check', '-f', '-'], text);
}

/** What nft cannot do with this kernel, in its own words; `details` has them. */
export class KernelLacks extends CniError {
  constructor(said: string) {
    const details = `Start a kernel with all of nf_tables, 5.10 or later; it answers: ${said}`;
    super(codes.commandFailed, 'Cannot write rules: the kernel lacks a part of nf_tables', details);
  }
}

/**
 * As {@link tryTransaction}, of a text that rests on nothing that the kernel holds. "No such file" is then its answer
 * to what it has no module for: throws {@link KernelLacks}.
 */
export async function tryAlone(text: string): Promise<void> {
  requireNft();
  try {
    await run('nft', ['--check', '-f', '-'], { input: text, deadline });
  } catch (error) {
    if (error instanceof CommandError && readNftError(error) === 'stale') throw new KernelLacks(quoted(error));
    throw await explain(error);
  }
}

/** Oldest nft that our rules are tested with. */
export const oldestNft = '1.0.6';

/** The version of nft, as "1.0.6"; undefined when it does not tell. Throws code 100 when it cannot be run. */
export async function nftVersion(program = 'nft'): Promise<string | undefined> {
  return /v(\d+\.\d+(?:\.\d+)?)/.exec((await run(program, ['--version'])).stdout)?.[1];
}

/** The program for rules is there. Throws {@link CniError} with code 100 otherwise. */
function requireNft(): void {
  if (findProgram('nft') !== undefined) return;
  throw new CniError(
    codes.commandFailed,
    'Cannot write rules: the program "nft" is not installed in PATH or in the usual folders',
    'Install the package "nftables", or add the folder that "nft" is in to PATH of the container runtime',
  );
}

async function attempt(args: readonly string[], input: string): Promise<Outcome> {
  requireNft();
  try {
    await run('nft', args, { input, deadline });
    return 'committed';
  } catch (error) {
    const failure = error instanceof CommandError ? readNftError(error) : 'other';
    if (failure === 'stale' || failure === 'full') return failure;
    throw await explain(error);
  }
}

async function explain(error: unknown): Promise<unknown> {
  if (!(error instanceof CommandError)) return error;
  const failure = readNftError(error);
  if (failure === 'not-understood') {
    const version = await nftVersion().catch(() => undefined);
    return new CniError(
      codes.commandFailed,
      `Cannot write rules: "${findProgram('nft')}" is nft ${version ?? 'of an unknown version'} and does not understand them; ${oldestNft} or later is needed`,
      error.stderr.trim().split('\n', 1)[0],
    );
  }
  if (failure === 'not-permitted') return notPermitted();
  return failure === 'unsupported' ? new KernelLacks(quoted(error)) : error;
}

function quoted({ stderr }: CommandError): string {
  return stderr.trim().slice(0, 500);
}

/** The kernel lets this process change no rules. */
export function notPermitted(): CniError {
  return new CniError(
    codes.commandFailed,
    'Cannot write rules: nft is not permitted to',
    'Run the plugin as root with the capability CAP_NET_ADMIN in the network namespace of the host',
  );
}
