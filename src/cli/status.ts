import { CniError } from '../cni/errors.ts';
import type { AttachmentRecord } from '../records/record.ts';
import type { Invocation } from './command.ts';
import { readDenials } from '../repair/survey/denials.ts';
import { agentProblems } from '../repair/survey/agent.ts';
import { surveyAttachments, type Survey } from '../repair/survey/attachments.ts';
import { shownName } from '../repair/survey/container-names.ts';
import type { Finding } from '../repair/survey/finding.ts';
import { count } from '../repair/survey/words.ts';
import { printJson, type Terminal } from './terminal.ts';

/** Words for exit statuses of monitoring plugins (Monitoring Plugins Development Guidelines, "Plugin Return Codes"). */
const words = ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'] as const;
type State = 0 | 1 | 2 | 3;

/** From the best to the worst: what is known to be broken counts for more than what is not known. */
const ranks: readonly State[] = [0, 1, 3, 2];

/** One line about the host, and an exit status for a monitoring system; the command line answers 3 for what fails. */
export async function run({ options }: Invocation, terminal: Terminal): Promise<number> {
  const survey = await surveyAttachments();
  const records = survey.attachments.map(({ record }) => record);
  const { denied, unclear } = await countDenied(records);
  const needsAgent = records.some(({ egress }) => (egress?.policy.names.length ?? 0) > 0);
  const told = await agentProblems();
  const isRunning = told !== undefined;
  const problems = [
    ...problemsOf(survey),
    ...unclear,
    ...(needsAgent && !isRunning ? [agentProblem] : []),
    ...(told ?? []).map((what): Problem => ({ state: 1, what: `the agent says: ${what}` })),
  ];
  const state = ranks.findLast((rank) => problems.some((problem) => problem.state === rank)) ?? 0;
  const worst = problems.find((problem) => problem.state === state)?.what;
  if (options['json'] === true)
    printJson(terminal, {
      status: words[state],
      attachments: records.length,
      denied,
      agent: isRunning,
      problems: problems.map(({ state: own, what }) => ({ status: words[own], what })),
    });
  else {
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
    const facts = `${count(records.length, 'attachment')}, agent ${isRunning ? 'runs' : 'does not run'}`;
    // Behind "|" stands what a monitoring system draws.
    terminal.out(
      `DRAWBRIDGE ${words[state]} - ${worst === undefined ? facts : `${worst}${more}; ${facts}`} | attachments=${records.length} denied=${denied}c problems=${problems.length}`,
    );
  }
  return state;
}

/** Without nft nobody knows, and the rest is told all the same. */
async function countDenied(records: readonly AttachmentRecord[]): Promise<{ denied: number; unclear: Problem[] }> {
  try {
    const denials = await readDenials(records);
    return { denied: [...denials.values()].reduce((sum, packets) => sum + packets, 0), unclear: [] };
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    return { denied: 0, unclear: [{ state: 3, what: `how much was denied cannot be told: ${error.message}` }] };
  }
}

interface Problem {
  readonly state: State;
  readonly what: string;
}

const agentProblem: Problem = { state: 1, what: 'the agent does not run, and names of policies are not renewed' };

/** What cuts a container off, or leaves it without its rules, is critical; what is merely left over is a warning. */
const states: Readonly<Record<Finding['kind'], State>> = {
  ended: 1,
  adding: 0,
  unused: 0,
  namespace: 1,
  policy: 1,
  inside: 2,
  link: 2,
  rules: 2,
  waiting: 2,
  unclear: 3,
};

function problemsOf({ attachments, broken }: Survey): Problem[] {
  const found = attachments.flatMap(({ record, findings }) =>
    findings.map(({ kind, what }) => ({ state: states[kind], what: `${shownName(record.containerId)}: ${what}` })),
  );
  const unreadable = broken.map(({ file, why }): Problem => ({ state: 2, what: `"${file}" cannot be read: ${why}` }));
  return [...unreadable, ...found.filter(({ state }) => state > 0)];
}
