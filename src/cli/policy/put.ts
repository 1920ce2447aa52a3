import { setTimeout as sleep } from 'node:timers/promises';
import { CniError, codes } from '../../cni/errors.ts';
import { loadPolicy, parsePolicyText, policiesFolder } from '../../egress/load-policy.ts';
import type { PolicyFormat } from '../../egress/policy-source.ts';
import { policyText, putPolicy } from '../../plugins/egress-policy/previous-policy.ts';
import { withoutGrants } from '../../egress/grants.ts';
import type { Policy } from '../../egress/policy.ts';
import { withLock } from '../../host/lock.ts';
import { refresh } from '../../plugins/egress-policy/refresh.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { listRecords } from '../../records/store.ts';
import { isAgentRunning } from '../../repair/survey/agent.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import { count, durationWords } from '../../repair/survey/words.ts';
import { systemReason } from '../../text/system-error.ts';
import { differencesOf, printDifferences } from '../policy-diff.ts';
import { printJson, type Terminal } from '../terminal.ts';
import { wrap } from '../wrap.ts';

export interface PutOptions {
  /** Milliseconds after which it goes back by itself. */
  readonly forMilliseconds?: number;
  readonly isJson: boolean;
  /** Says what would change, and changes nothing. */
  readonly isDry: boolean;
}

/** Milliseconds that the agent has to bring a policy in force, and between looks. */
const patience = 15_000;
const pause = 100;

/**
 * Makes a text the policy of a name, or takes the policy away with null: says what changes and for whom, writes it, and
 * waits until it is in force. Throws code 7 for a text that is no policy: then nothing changed.
 */
export async function putAndWait(
  name: string,
  { text, format }: { readonly text: string | null; readonly format: PolicyFormat },
  { forMilliseconds, isJson, isDry }: PutOptions,
  terminal: Terminal,
): Promise<number> {
  const next = text === null ? undefined : await parsePolicyText(text, { what: `the new policy "${name}"`, format });
  const hasAgent = await isAgentRunning();
  if (forMilliseconds !== undefined && !hasAgent)
    throw new CniError(
      codes.tryAgainLater,
      `Cannot apply the policy "${name}" for a time: no agent runs, which would put it back`,
      'Start it ("systemctl start drawbridge-agent"), or leave "--for" out and use "drawbridge policy undo"',
    );
  const old = await currentOf(name);
  const under = recordsUnder(name);
  const containers = [...new Set(under.map(({ containerId }) => shownName(containerId)))];
  const differences = old === undefined || next === undefined ? [] : differencesOf(old, next);
  if (!isJson && old !== undefined && next !== undefined)
    printDifferences([`${name} as it is`, `${name} as it will be`], differences, terminal);
  if (isDry) {
    if (isJson) printJson(terminal, { policy: name, containers, differences, inForce: false, until: null });
    else terminal.note(`Nothing was changed. It would hold for ${whoWords(containers)}.`);
    return 0;
  }
  write(name, text, { format, milliseconds: forMilliseconds });
  if (!hasAgent) await refresh({ resolve: under.length > 0 });
  const isInForce = next === undefined || (await waitFor(name, next));
  const back = forMilliseconds === undefined ? null : new Date(Date.now() + forMilliseconds).toISOString();
  if (isJson) printJson(terminal, { policy: name, containers, differences, inForce: isInForce, until: back });
  else tell(terminal, { name, containers, isInForce, isGone: text === null, forMilliseconds });
  return isInForce ? 0 : 1;
}

/** Undefined where there is none, or it is not valid. */
async function currentOf(name: string): Promise<Policy | undefined> {
  try {
    return policyText(name) === null ? undefined : await loadPolicy(name);
  } catch (error) {
    if (error instanceof CniError) return undefined;
    throw error;
  }
}

function recordsUnder(name: string): AttachmentRecord[] {
  return listRecords().records.filter(({ egress, state }) => egress?.policyName === name && state === 'ready');
}

function write(
  name: string,
  text: string | null,
  options: { readonly format: PolicyFormat; readonly milliseconds: number | undefined },
): void {
  try {
    putPolicy(name, text, options);
  } catch (error) {
    if (error instanceof CniError) throw error;
    throw new CniError(
      codes.ioFailure,
      `Cannot write the policy "${name}": ${systemReason(error)}`,
      `It is ${policiesFolder}/${name}.${options.format}, which is to be writable`,
      { cause: error },
    );
  }
}

async function waitFor(name: string, policy: Policy): Promise<boolean> {
  const wanted = JSON.stringify(policy);
  const end = performance.now() + patience;
  const isRecorded = (): boolean =>
    recordsUnder(name).every(
      ({ egress }) => egress !== undefined && JSON.stringify(withoutGrants(egress.policy)) === wanted,
    );
  for (;;) {
    // Records are written before their rules, under one lock: who has it sees both.
    if (isRecorded() && (await withLock('tables', 'look whether a policy is in force', async () => isRecorded())))
      return true;
    if (performance.now() > end) return false;
    await sleep(pause);
  }
}

function whoWords(containers: readonly string[]): string {
  return containers.length === 0 ? 'no container' : containers.join(', ');
}

function tell(
  { out, note, paint, width }: Terminal,
  {
    name,
    containers,
    isInForce,
    isGone,
    forMilliseconds,
  }: {
    name: string;
    containers: readonly string[];
    isInForce: boolean;
    isGone: boolean;
    forMilliseconds: number | undefined;
  },
): void {
  if (isGone) return out(`The policy ${paint.strong(name)} is gone.`);
  const who = containers.length === 0 ? 'no container is under it' : `for ${whoWords(containers)}`;
  if (!isInForce)
    return note(
      wrap(
        `${paint.bad('!')} ${name} is written, and not in force after ${durationWords(patience / 1000)} ${who}: "drawbridge policy list" and the agent's log say why.`,
        width,
        '  ',
      ),
    );
  out(wrap(`${paint.good('In force:')} policy ${paint.strong(name)}, ${who}.`, width, '  '));
  if (forMilliseconds === undefined) out(paint.faint(`"drawbridge policy undo ${name}" puts it back as it was.`));
  else out(`It goes back by itself in ${durationWords(forMilliseconds / 1000)}.`);
  if (containers.length > 1) out(paint.faint(count(containers.length, 'container')));
}
