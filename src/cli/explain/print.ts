import type { AddressAnswer, Explanation } from './explanation.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import { count, durationWords, policyWords } from '../../repair/survey/words.ts';
import { printRemedy } from '../remedy.ts';
import type { Terminal } from '../terminal.ts';
import { hang } from '../wrap.ts';
import { placeWords, startOf } from '../../repair/survey/policy-place.ts';
import type { Trace } from './trace.ts';

/** Columns of the words before each fact. */
const column = 14;

/** The answer first, then what it rests on, then what to do. */
export function printExplanation(explanation: Explanation, terminal: Terminal): void {
  const { record, asked, verdict, reason, answers, file, place, advice, left, problems } = explanation;
  const { out, paint, width } = terminal;
  const fact = (title: string, text: string): void =>
    out(`  ${paint.faint(title.padEnd(column - 2))}${hang(text, width, column)}`);
  const isAllowed = verdict === 'allow';
  const audited = answers.some((one) => one.audited === true);
  const word = isAllowed ? paint.good(audited ? 'lets through, under audit' : 'reaches') : paint.bad('does not reach');
  out(`${paint.strong(shownName(record.containerId))} ${word} ${paint.strong(asked.text)}`);
  out('');
  fact('because', reason);
  if (record.egress === undefined) fact('policy', 'none: the container has no policy');
  else {
    const where = place ?? (file === undefined ? undefined : startOf(file));
    fact('policy', `${policyWords(record.egress)}${where === undefined ? '' : `, ${placeWords(where)}`}`);
  }
  const obstacles = [
    ...new Map(answers.flatMap((one) => one.obstacles).map((obstacle) => [obstacle.what, obstacle])).values(),
  ];
  for (const { what } of obstacles) if (!reason.includes(what)) fact('also', what);
  if (asked.isName) printAddresses(answers, left, fact);
  else
    for (const { name, seconds } of answers.flatMap(({ open }) => open))
      fact('open as', `${name}, ${openWords(seconds)}`);
  for (const problem of problems) fact('note', problem);
  if (advice !== undefined && !isAllowed)
    fact(
      'to open it',
      `${advice}${file === undefined ? '' : `; ${file.isLive ? 'containers that run follow the file' : 'it holds for containers that are added from then on'}`}`,
    );
  for (const obstacle of obstacles) printRemedy(obstacle, terminal, 2);
  if (explanation.trace !== undefined) printTrace(explanation.trace, terminal);
}

function printAddresses(
  answers: readonly AddressAnswer[],
  left: readonly string[],
  fact: (title: string, text: string) => void,
): void {
  const shown = answers.slice(0, 12);
  shown.forEach(({ address, verdict, open, obstacles }, index) => {
    const isOpen = verdict === 'allow' && obstacles.length === 0;
    const seconds = open[0]?.seconds;
    fact(
      index === 0 ? 'addresses' : '',
      `${address}  ${isOpen ? 'open' : 'closed'}${open.length === 0 ? '' : `, ${openWords(seconds)}`}`,
    );
  });
  if (answers.length > shown.length)
    fact('', `and ${count(answers.length - shown.length, 'more address', 'more addresses')}`);
  if (left.length > 0)
    fact('', `${count(left.length, 'address', 'addresses')} of a family that the container has none of`);
}

function openWords(seconds: number | undefined): string {
  return seconds === undefined ? 'without end' : `for ${durationWords(seconds)} more`;
}

function printTrace({ steps, outcome }: Trace, { out, paint, width }: Terminal): void {
  out('');
  out(
    `${paint.strong('The way of one packet')} ${paint.faint(`(${count(steps.length, 'step')}; the sender saw: ${outcome})`)}`,
  );
  if (steps.length === 0) out('  No chain of the host saw it: it did not leave the container.');
  let table = '';
  let quiet: string[] = [];
  const tellQuiet = (): void => {
    if (quiet.length > 0) out(paint.faint(`    ${hang(`no rule of ${quiet.join(', ')} decides`, width, 8)}`));
    quiet = [];
  };
  const met = new Set(steps.flatMap(({ rule, chain }) => (rule === undefined ? [] : [chain])));
  for (const step of steps) {
    const isEnd = step.rule === undefined && step.verdict === 'accept';
    // The end of a chain whose rules are shown says nothing more.
    if (isEnd && met.has(step.chain)) continue;
    if (step.table !== table) {
      tellQuiet();
      out(`  ${paint.link(step.table)}`);
    }
    table = step.table;
    if (isEnd) {
      quiet.push(step.chain);
      continue;
    }
    tellQuiet();
    const isTold = step.verdict === 'continue' || step.rule?.endsWith(step.verdict) === true;
    const verdict = isTold ? '' : `  ${paintVerdict(step.verdict, paint)}`;
    out(`    ${hang(`${step.chain}: ${step.rule ?? 'end of chain'}${verdict}`, width, 8)}`);
  }
  tellQuiet();
}

function paintVerdict(verdict: string, paint: Terminal['paint']): string {
  const text = `-> ${verdict}`;
  if (verdict === 'drop' || verdict === 'reject') return paint.bad(text);
  return verdict === 'accept' ? paint.good(text) : text;
}
