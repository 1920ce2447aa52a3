import { CniError, codes } from '../../cni/errors.ts';
import { withLock } from '../lock.ts';
import { run } from '../run.ts';
import { planClosing, planOpening, type HostPort, type Opening, type OpeningPlan } from './accepts.ts';
import { bindToZone, isOpenZone, unbindFromZone, unbindStopped, zoneOf } from './firewalld.ts';
import { parseListing, type Listing } from './listing.ts';
import {
  covers,
  doubtNotes,
  isPermanentZoneOurs,
  markPermanentZone,
  openedBridges,
  readNote,
  readTrustedNote,
  removeNote,
  widen,
  writeNote,
  type FirewallWarning,
} from './note.ts';
import { forgetRuleset, isRulesetForeign, noteRuleset, readRulesetState, type RulesetState } from './ruleset-state.ts';
import { findFirewalls, type Backend, type BaseChain } from './present.ts';

export type { HostPort } from './accepts.ts';
export { openedBridges, type FirewallWarning } from './note.ts';

export interface OpenOptions {
  /** What of the host the container is to reach; default DNS. Those of a bridge's containers add up. */
  readonly hostPorts?: readonly HostPort[];
  readonly ingress?: 'published' | 'open';
  /** Look at everything again although it was opened before: what the agent does after a reload of a firewall. */
  readonly again?: boolean;
}

export interface CloseOptions {
  /** Whether some container is on the bridge after all: asked when no new one can rely on our rules unseen. */
  readonly stillUsed?: () => boolean | Promise<boolean>;
}

/** A foreign firewall that would drop traffic of a bridge if we did nothing. */
export interface FirewallFinding {
  /** "iptables-nft", "ip6tables-legacy", "firewalld", "nft". */
  readonly firewall: string;
  /** What would drop, in words: `policy DROP of chain "FORWARD"`. */
  readonly blocker: string;
  /**
   * "open": our accepts are in force; "closed": they are missing or come too late; "foreign": it is not ours to open.
   */
  readonly state: 'open' | 'closed' | 'foreign';
  readonly remedy: string;
}

const dns: readonly HostPort[] = [
  { protocol: 'udp', ports: { from: 53, to: 53 } },
  { protocol: 'tcp', ports: { from: 53, to: 53 } },
];

/**
 * Inserts the accepts that other firewalls of the host need to let a bridge's traffic pass.
 *
 * The first container of a bridge does that work, and the first one after somebody else changed the ruleset; for the
 * others it is the reading of two files and a question to the kernel. The attachment's record has to be written before
 * the call: {@link closeForeignFirewalls} relies on it. A firewall that stays closed comes back as a warning, since it
 * stops packets and opens nothing. Throws with code 100 when nft does not answer, and 11 when another container's call
 * holds the lock for too long.
 */
export async function openForeignFirewalls(
  bridge: string,
  { hostPorts = dns, ingress = 'published', again = false }: OpenOptions = {},
): Promise<readonly FirewallWarning[]> {
  if (!isPlainName(bridge)) return [unwritable(bridge)];
  const asked: Opening = { bridge, hostPorts, ingress };
  if (isRulesetForeign()) doubtNotes();
  const enough = () => {
    const note = again ? undefined : readTrustedNote(bridge);
    return note !== undefined && covers(note, asked) ? note.warnings : undefined;
  };
  const latest = performance.now() + longestWait;
  for (;;) {
    const warnings = enough();
    if (warnings !== undefined) return warnings;
    try {
      return await withLock(lockName, `open ${bridge}`, async () => enough() ?? openAll(asked), {
        deadline: lookAgain,
      });
    } catch (error) {
      // Of many that start at once the first does the work: the others wait for its note, not for their turn.
      const busy = error instanceof CniError && error.code === codes.tryAgainLater;
      if (!busy || performance.now() > latest) throw error;
    }
  }
}

const lockName = 'foreign-firewalls';

/** Milliseconds: how often those who wait look for the note, and for how long; firewalld takes a second or two. */
const lookAgain = 40;
const longestWait = 10_000;

/** Removes what was inserted for a bridge, and nothing else. Throws when a program fails; a second call goes on. */
export async function closeForeignFirewalls(
  bridge: string,
  { stillUsed = () => false }: CloseOptions = {},
): Promise<void> {
  if (!isPlainName(bridge)) return;
  await withLock(lockName, `close ${bridge}`, async () => {
    const note = readNote(bridge);
    // First the note, then the question: an ADD that still read the note has written its record before.
    removeNote(bridge);
    if (await stillUsed()) {
      if (note !== undefined) writeNote(note);
      return;
    }
    if (openedBridges().length === 0) forgetRuleset();
    const permanent = isPermanentZoneOurs(bridge);
    if (note?.opened === false && !note.zoned && !permanent) return;
    const { backends, firewalld } = await findFirewalls();
    for (const backend of backends) await apply(backend, planClosing(await list(backend), bridge));
    if (firewalld) await unbindFromZone(bridge, { runtime: note?.zoned === true || permanent, permanent });
    else if (permanent) await unbindStopped(bridge);
    if (permanent) markPermanentZone(bridge, false);
  });
}

/**
 * What of the host's other firewalls would drop a bridge's traffic, and whether our accepts are in force. Changes
 * nothing.
 */
export async function inspectForeignFirewalls(
  bridge: string,
  { hostPorts = dns, ingress = 'published' }: OpenOptions = {},
): Promise<FirewallFinding[]> {
  if (!isPlainName(bridge)) return [];
  const opening = widen({ bridge, hostPorts, ingress }, readNote(bridge));
  const { backends, firewalld, closedChains } = await findFirewalls();
  const findings: FirewallFinding[] = [];
  for (const backend of backends) {
    const plan = planOpening(await list(backend), backend.family, opening);
    const state = plan.dropping.length === 0 ? 'open' : 'closed';
    const blockers = state === 'open' ? plan.blockers : plan.dropping;
    findings.push(
      ...blockers.map(
        (blocker) => ({ firewall: backend.program, blocker, state, remedy: paste(backend, plan) }) as const,
      ),
    );
  }
  if (firewalld) {
    const zone = await zoneOf(bridge);
    const blocker = zone === undefined ? `bridge "${bridge}" is in no zone` : `bridge "${bridge}" is in zone "${zone}"`;
    findings.push({
      firewall: 'firewalld',
      blocker,
      state: (await isOpenZone(zone)) ? 'open' : zone === undefined ? 'closed' : 'foreign',
      remedy: zoneRemedy(bridge, zone),
    });
  }
  for (const chain of closedChains) {
    if (await isOpenedByHand(chain, bridge)) continue;
    findings.push({
      firewall: 'nft',
      blocker: `policy drop of ${chainName(chain)}`,
      state: 'foreign',
      remedy: chainRemedy(chain, bridge),
    });
  }
  return findings;
}

/** The kernel takes nearly any name; to iptables a "+" at the end means every interface that begins so. */
function isPlainName(bridge: string): boolean {
  return /^(?!\.+$)[\w.:@-]{1,15}$/.test(bridge);
}

function unwritable(bridge: string): FirewallWarning {
  return {
    message: `Cannot write firewall rules for interface ${JSON.stringify(bridge)}: its name has characters that mean something else there`,
    remedy: 'Use letters, digits, "-", "_", "." in names of bridges',
  };
}

async function openAll(asked: Opening): Promise<readonly FirewallWarning[]> {
  const before = readNote(asked.bridge);
  const opening = widen(asked, before);
  const { bridge } = opening;
  const found = readRulesetState();
  let written = 0;
  const { backends, firewalld, closedChains } = await findFirewalls();
  const failures: FirewallWarning[] = [];
  const attempt = async (remedy: string, step: () => Promise<void>) => {
    try {
      await step();
    } catch (error) {
      failures.push({
        message: `Cannot open a firewall of the host for bridge "${bridge}": ${(error as Error).message}`,
        remedy,
      });
    }
  };

  const warnings: FirewallWarning[] = [];
  let zoned = before?.zoned ?? false;
  if (firewalld) {
    await attempt(zoneRemedy(bridge), async () => {
      const binding = await bindToZone(bridge);
      if (binding === undefined) {
        warnings.push({
          message: `Bridge "${bridge}" is in a zone of firewalld that was not chosen by us: what that zone rejects does not pass`,
          remedy: zoneRemedy(bridge, 'another'),
        });
      }
      zoned ||= binding?.runtime === true;
      if (binding?.permanent === true) markPermanentZone(bridge, true);
    });
  }
  let opened = before?.opened ?? false;
  for (const backend of backends) {
    await attempt(
      `Make "${backend.program} -S" and "${backend.restore}" work, or accept "${bridge}" in FORWARD and INPUT by hand`,
      async () => {
        const plan = planOpening(await list(backend), backend.family, opening);
        opened ||= plan.blockers.length > 0;
        await apply(backend, plan.text);
        if (plan.text !== '' && backend.kind === 'nft') written += 1;
        warnings.push(...plan.overruled.map((rule) => overruledBy(bridge, backend, rule)));
      },
    );
  }

  for (const chain of closedChains) {
    if (await isOpenedByHand(chain, bridge)) continue;
    warnings.push({
      message: `Traffic of bridge "${bridge}" meets the policy drop of ${chainName(chain)}, which is not ours to change`,
      remedy: chainRemedy(chain, bridge),
    });
  }
  // Without the note the next container of the bridge tries again.
  if (failures.length === 0) {
    writeNote({ version: 1, ...opening, opened, zoned, warnings });
    noteLookedAt(found, written);
  }
  return [...failures, ...warnings];
}

/** It stands behind what drops everything of ours, so that it cannot be told from that for our traffic. */
function overruledBy(bridge: string, { program }: Backend, rule: string): FirewallWarning {
  const chain = rule.startsWith('-A INPUT ') ? 'INPUT' : 'FORWARD';
  return {
    message: `The rule "${rule}" of ${program} does not hold for bridge "${bridge}": our accepts have to come before it`,
    remedy: `Deny that destination in the policy of its containers, or put the rule first: "${program} -I ${chain} …"`,
  };
}

/** What somebody else did meanwhile, beside our own transactions, was not looked at. */
function noteLookedAt(found: RulesetState | undefined, written: number): void {
  const state = found === undefined ? undefined : readRulesetState();
  if (found !== undefined && state?.nft === found.nft + written) noteRuleset(state);
}

/** The filter table of a backend. */
export async function list({ program }: Backend): Promise<Listing> {
  return parseListing((await run(program, ['-w', '5', '-S'])).stdout);
}

/** One transaction: all lines or none. */
async function apply({ restore }: Backend, text: string): Promise<void> {
  if (text !== '') await run(restore, ['--noflush', '-w', '5'], { input: text });
}

/** The commands that a person would use for a plan. */
function paste({ restore }: Backend, { text }: OpeningPlan): string {
  return text === '' ? '' : `${restore} --noflush <<'END'\n${text}END`;
}

/** Into no zone but its own one is a bridge put by us, so an administrator's choice is changed by hand alone. */
function zoneRemedy(bridge: string, zone?: string): string {
  const verb = zone === undefined ? 'add' : 'change';
  return [
    `firewall-cmd --zone=trusted --${verb}-interface=${bridge}`,
    `firewall-cmd --permanent --zone=trusted --${verb}-interface=${bridge}`,
  ].join('\n');
}

function chainName({ family, table, name }: BaseChain): string {
  return `chain "${name}" in table "${family} ${table}"`;
}

function chainRemedy({ family, table, name, hook }: BaseChain, bridge: string): string {
  const insert = `nft insert rule ${family} ${table} ${name}`;
  if (hook === 'input') return `${insert} iifname "${bridge}" meta l4proto '{ tcp, udp }' th dport 53 accept`;
  return `${insert} iifname "${bridge}" accept; ${insert} oifname "${bridge}" ct state related,established accept; ${insert} oifname "${bridge}" ct status dnat accept`;
}

/** An administrator who followed {@link chainRemedy} is not to be warned for ever. */
async function isOpenedByHand({ family, table, name }: BaseChain, bridge: string): Promise<boolean> {
  const { stdout } = await run('nft', ['list', 'chain', family, table, name]);
  return stdout.split('\n').some((line) => line.includes(`"${bridge}"`) && /\baccept\b/.test(line));
}
