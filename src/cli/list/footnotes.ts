import { isDnsWayOut } from '../../egress/dns-service.ts';
import { isAgentRunning } from '../../repair/survey/agent.ts';
import type { Attachment } from '../../repair/survey/attachments.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import { metWords, type BoundReport } from '../../repair/survey/met-bounds.ts';
import { openWords } from '../../repair/survey/open-containers.ts';
import { refusedLookupsOf, type RefusedLookup } from '../../repair/survey/refused-names.ts';
import { bypassWords } from '../../repair/survey/second-networks.ts';
import { grantsLeft } from '../../repair/survey/grants.ts';
import { count, durationWords } from '../../repair/survey/words.ts';
import type { Terminal } from '../terminal.ts';
import { wrap } from '../wrap.ts';

/** What footnotes are made of beside the attachments. */
export interface FootnoteContext {
  /** Names of a policy that open nothing now, by the policy's id. */
  readonly closed: ReadonlyMap<string, readonly string[]>;
  readonly lookups: readonly RefusedLookup[];
  /** Bounds that were met, by the record's key. */
  readonly met: ReadonlyMap<string, readonly BoundReport[]>;
}

/** What is to be known of some attachments, below their table; what is true of many of them stands once. */
export async function printFootnotes(
  { out, paint, width }: Terminal,
  attachments: readonly Attachment[],
  { closed, lookups, met }: FootnoteContext,
): Promise<void> {
  const stale = staleNotes(attachments);
  const groups = [
    stale,
    refusedNotes(attachments, lookups),
    closedNotes(attachments, closed),
    grantNotes(attachments),
    boundNotes(attachments, met),
    bypassNotes(attachments),
    await dnsNotes(attachments),
  ].map(gathered);
  const open = openWords(attachments);
  for (const notes of [...groups, open === undefined ? [] : [open]]) {
    if (notes.length > 0) out('');
    for (const note of notes) out(`${paint.warn('!')} ${wrap(note, width - 2, '  ')}`);
    if (notes.length > 0 && notes === groups[0]) out(`  ${paint.faint(staleAdvice(attachments))}`);
  }
}

/** One thing that is true of one container. */
interface Footnote {
  readonly who: string;
  readonly words: string;
}

/** So many containers are named before one note. */
const mostWho = 4;

/** Notes with equal words stand once, behind the names of all that they are about. */
function gathered(notes: readonly Footnote[]): string[] {
  return [...Map.groupBy(notes, ({ words }) => words)].map(([words, own]) => {
    const who = [...new Set(own.map((note) => note.who))];
    const more = who.length - mostWho;
    return `${who.slice(0, mostWho).join(', ')}${more > 0 ? ` and ${more} more` : ''}: ${words}`;
  });
}

/** What somebody opened on top of a policy is to be seen for as long as it is open. */
function grantNotes(attachments: readonly Attachment[]): Footnote[] {
  return attachments.flatMap(({ record }) =>
    grantsLeft(record).map(({ entry, seconds }) => ({
      who: shownName(record.containerId),
      words: `granted ${entry} beside its policy, for ${durationWords(seconds)} more`,
    })),
  );
}

function staleNotes(attachments: readonly Attachment[]): Footnote[] {
  return attachments.flatMap(({ record, findings }) =>
    findings.map(({ what }) => ({ who: shownName(record.containerId), words: what })),
  );
}

function staleAdvice(attachments: readonly Attachment[]): string {
  return attachments.some(({ isAlive }) => !isAlive)
    ? '"drawbridge clean" removes what no living container owns'
    : '"drawbridge doctor" says what to do';
}

/** So many names are told one by one. */
const mostNamed = 3;

/** What DNS refused is a denial that no packet counts. */
function refusedNotes(attachments: readonly Attachment[], lookups: readonly RefusedLookup[]): Footnote[] {
  return attachments.flatMap(({ record }) => {
    const own = refusedLookupsOf(record, lookups);
    if (own.length === 0) return [];
    const named = own.flatMap(({ name }) => (name === '' ? [] : [name]));
    const more = own.length - Math.min(named.length, mostNamed);
    const which = `${named.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
    return [{ who: shownName(record.containerId), words: `DNS refused it ${which}` }];
  });
}

function closedNotes(attachments: readonly Attachment[], closed: FootnoteContext['closed']): Footnote[] {
  return attachments.flatMap(({ record }) => {
    const names = closed.get(record.egress?.policyId ?? '') ?? [];
    if (names.length === 0) return [];
    const more = names.length - mostNamed;
    const which = `${names.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}; "drawbridge refresh" resolves ${names.length === 1 ? 'it' : 'them'} again`;
    const words = `${count(names.length, 'name')} of its policy ${names.length === 1 ? 'opens' : 'open'} nothing now: ${which}`;
    return [{ who: shownName(record.containerId), words }];
  });
}

/** Who takes more than one may is to be seen by whoever looks why something is slow. */
function boundNotes(attachments: readonly Attachment[], met: FootnoteContext['met']): Footnote[] {
  return attachments.flatMap(({ record }) =>
    metWords(record, met.get(record.key) ?? []).map((words) => ({ who: shownName(record.containerId), words })),
  );
}

/** What a policy closes on one network is open by another one that has none. */
function bypassNotes(attachments: readonly Attachment[]): Footnote[] {
  const living = attachments.filter(({ isAlive }) => isAlive).map(({ record }) => record);
  return bypassWords(living).map(({ containerId, what }) => ({ who: shownName(containerId), words: what }));
}

/** Whoever reads "none" takes it for nothing at all. */
async function dnsNotes(attachments: readonly Attachment[]): Promise<Footnote[]> {
  const open = attachments.filter(({ record }) => record.egress !== undefined && isDnsWayOut(record.egress.policy));
  if (open.length === 0 || (await isAgentRunning())) return [];
  return open.map(({ record }) => ({
    who: shownName(record.containerId),
    words:
      'no agent runs, so the server at port 53 of the host answers it every name, and it can send data out in the names that it asks for; with the agent it gets no answer but for names of its policy',
  }));
}
