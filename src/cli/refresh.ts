import { refresh, type RefreshReport } from '../plugins/egress-policy/refresh.ts';
import type { Invocation } from './command.ts';
import { shownName } from '../repair/survey/container-names.ts';
import { count } from '../repair/survey/words.ts';
import { printJson, type Terminal } from './terminal.ts';
import { wrap } from './wrap.ts';

/**
 * Reads the named policies and resolves the names of all policies again. Exit status 1 when something of it did not
 * work.
 */
export async function run({ options }: Invocation, terminal: Terminal): Promise<number> {
  const report = await refresh({ force: options['force'] === true });
  if (options['json'] === true) printJson(terminal, asJson(report));
  else print(report, terminal);
  return report.problems.length === 0 ? 0 : 1;
}

/** As conf/schema/refresh.json has it. */
function asJson({ changed, names, ended, problems }: RefreshReport): object {
  return {
    changed,
    names: names.map(({ name, addresses }) => ({
      name,
      addresses: addresses.map(({ address, seconds }) => ({ address, seconds: seconds ?? null })),
    })),
    ended,
    problems,
  };
}

function print({ changed, names, ended, problems }: RefreshReport, { out, note, paint, width }: Terminal): void {
  const distinct = new Map(names.map(({ name, addresses }) => [name, addresses.length]));
  const addresses = [...distinct.values()].reduce((sum, number) => sum + number, 0);
  out(
    distinct.size === 0
      ? 'No policy in force has names.'
      : `${count(distinct.size, 'name')} ${distinct.size === 1 ? 'has' : 'have'} ${count(addresses, 'address', 'addresses')} open.`,
  );
  for (const { containerId, ifname, policyName } of changed)
    out(`${shownName(containerId)} (${ifname}) follows the changed policy ${paint.strong(policyName)}.`);
  if (ended > 0)
    out(`${count(ended, 'connection')} ended: the policy no longer allows ${ended === 1 ? 'it' : 'them'}.`);
  for (const problem of problems) note(`${paint.warn('!')} ${wrap(problem, width - 2, '  ')}`);
}
