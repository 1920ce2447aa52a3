import { shownName } from '../../repair/survey/container-names.ts';
import { policyWords, mappingWords } from '../../repair/survey/words.ts';
import { printRemedy } from '../remedy.ts';
import type { Terminal } from '../terminal.ts';
import { hang } from '../wrap.ts';
import type { IncomingExplanation, IncomingWay } from './incoming.ts';
import { internet } from './incoming-question.ts';

/** Columns of the words before each fact. */
const column = 14;

/** The answer first, then each way, then what to do. */
export function printIncoming(explanation: IncomingExplanation, terminal: Terminal): void {
  const { question, verdict, reason, ways, advice } = explanation;
  const { out, paint, width } = terminal;
  const fact = (title: string, text: string): void =>
    out(`  ${paint.faint(title.padEnd(column - 2))}${hang(text, width, column)}`);
  const who = question.from === internet ? 'the internet' : question.from;
  const word = verdict === 'allow' ? paint.good('reaches') : paint.bad('does not reach');
  out(`${paint.strong(who)} ${word} ${paint.strong(question.text)}`);
  out('');
  fact('because', reason);
  for (const way of ways) {
    const { record, listens } = way;
    const name = shownName(record.containerId);
    if (ways.length > 1)
      fact('way', `${placeOf(way)} ${name}: ${way.verdict === 'allow' ? 'open' : 'closed'}, ${way.reason}`);
    fact(
      'policy',
      record.egress === undefined
        ? `none of ${name}`
        : `${policyWords(record.egress)} of ${name}; "allow" and "deny" are for what it asks, not for who asks it`,
    );
    if (verdict === 'allow')
      fact('inside', listens === null ? 'whether a program listens cannot be told' : 'a program listens at the port');
  }
  if (advice !== undefined) fact('to open it', advice);
  for (const obstacle of new Map(ways.flatMap(({ obstacles }) => obstacles).map((one) => [one.what, one])).values())
    printRemedy(obstacle, terminal, 2);
}

function placeOf({ mapping }: IncomingWay): string {
  return mapping === undefined ? '' : mappingWords(mapping);
}

/** As conf/schema/explain-incoming.json has it. */
export function incomingJson({ question, verdict, rule, reason, ways, advice }: IncomingExplanation): object {
  return {
    verdict,
    reason,
    rule,
    from: question.from,
    destination: question.text,
    ways: ways.map((way) => ({
      network: way.record.network,
      containerId: way.record.containerId,
      ifname: way.record.ifname,
      hostIp: way.mapping?.hostIp ?? null,
      hostPort: way.mapping?.hostPort ?? null,
      containerPort: way.mapping?.containerPort ?? question.port,
      verdict: way.verdict,
      rule: way.rule,
      reason: way.reason,
      listens: way.listens,
      obstacles: way.obstacles,
    })),
    advice: advice ?? null,
  };
}
