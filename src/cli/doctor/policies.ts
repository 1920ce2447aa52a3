import { longestPolicy, policiesFolder } from '../../egress/load-policy.ts';
import { resolveNames } from '../../egress/names-resolve.ts';
import { formatOfFile } from '../../egress/policy-source.ts';
import { readRegularFile } from '../../egress/load-file.ts';
import { describeBroken } from '../../records/in-force.ts';
import { findAll } from '../clean.ts';
import { readKnown } from '../../repair/orphans/records.ts';
import { findProblems } from '../policy/problems.ts';
import { agentProblems } from '../../repair/survey/agent.ts';
import { locksDns } from '../../egress/deny-names.ts';
import type { Survey } from '../../repair/survey/attachments.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import { bypassWords } from '../../repair/survey/second-networks.ts';
import { openWords } from '../../repair/survey/open-containers.ts';
import { count } from '../../repair/survey/words.ts';
import type { Check, Trouble } from './check.ts';
import { troublesOf } from './findings.ts';
import { listReadable } from '../../host/files.ts';
import { checkWaiting } from './waiting.ts';

/** Checks of policies and names, and of what is left over. */
export const policyChecks: readonly Check[] = [
  { name: 'records', about: 'records', run: checkRecords },
  {
    name: 'policies',
    about: 'policy files',
    run: async (survey) => [
      ...(await checkFiles(survey)),
      ...checkWaiting(survey),
      ...checkBypasses(survey),
      ...checkOpen(survey),
    ],
  },
  { name: 'agent', about: 'the agent', run: checkAgent },
  { name: 'dns', about: 'name resolution', run: checkDns },
  { name: 'leftovers', about: 'leftovers', run: checkLeftovers },
];

function checkRecords({ broken, attachments }: Survey): Trouble[] {
  const unreadable = broken.map((record): Trouble => ({
    severity: 'problem',
    found: describeBroken(record),
    why: 'its container is without published ports, masquerading and policy rules after the next repair',
    remedy: 'remove that container, then run "drawbridge clean"',
    isAdvice: true,
  }));
  return [...unreadable, ...troublesOf(attachments, 'adding')];
}

async function checkFiles({ attachments }: Survey): Promise<Trouble[]> {
  const files = listReadable(policiesFolder)
    .toSorted()
    .filter((name) => /\.(?:json|yaml)$/.test(name));
  const twins = files.filter((name) => name.endsWith('.json') && files.includes(name.replace(/json$/, 'yaml')));
  const troubles = await Promise.all(files.map(async (name) => checkFile(`${policiesFolder}/${name}`)));
  return [...troubles.flat(), ...twins.map(twinTrouble), ...troublesOf(attachments, 'policy')];
}

function twinTrouble(json: string): Trouble {
  const yaml = json.replace(/json$/, 'yaml');
  return {
    severity: 'problem',
    found: `there are two files of one policy: ${policiesFolder}/${json} and ${yaml}`,
    why: 'nobody can tell which one is meant, so no container can be added under it; those that run keep the last valid one',
    remedy: 'remove one of them',
    isAdvice: true,
  };
}

async function checkFile(file: string): Promise<Trouble[]> {
  const first = await firstError(file);
  if (first === undefined) return [];
  return [
    {
      severity: 'problem',
      found: first,
      why: 'no container can be added under this policy; those that run keep the last valid one',
      remedy: `drawbridge policy check ${file}`,
    },
  ];
}

function checkOpen({ attachments }: Survey): Trouble[] {
  const found = openWords(attachments);
  if (found === undefined) return [];
  return [
    {
      severity: 'notice',
      found,
      why: 'it is what their networks ask for: neither "egress" nor the plugin "egress-policy" is in their lists',
      remedy: 'put "egress-policy" after the interface plugin in the list, and add those containers again',
    },
  ];
}

function checkBypasses({ attachments }: Survey): Trouble[] {
  const living = attachments.filter(({ isAlive }) => isAlive).map(({ record }) => record);
  return bypassWords(living).map(({ containerId, what }) => ({
    severity: 'warning',
    found: `${shownName(containerId)} ${what}`,
    why: 'what the policy closes, the container reaches by the other network',
    remedy: 'give that network a policy too; "exclusive": true in the policy refuses such a second network',
    isAdvice: true,
  }));
}

/** What is wrong with a policy file first, with its place. */
async function firstError(file: string): Promise<string | undefined> {
  try {
    const problems = await findProblems(readRegularFile(file, longestPolicy), formatOfFile(file));
    const [first] = problems.filter(({ severity }) => severity === 'error');
    return first === undefined ? undefined : `${file}:${first.line}:${first.column}: ${first.message}`;
  } catch (error) {
    return `${file} cannot be read: ${(error as Error).message}`;
  }
}

/** What the agent says of itself is not lost in its log. */
function agentTrouble(problem: string): Trouble {
  return {
    severity: 'warning',
    found: 'the agent says that something does not work',
    why: problem,
    remedy: 'its log says more: journalctl -u drawbridge-agent',
    isAdvice: true,
  };
}

async function checkAgent({ attachments }: Survey): Promise<Trouble[]> {
  const policies = attachments.flatMap(({ record }) => record.egress?.policy ?? []);
  const problems = await agentProblems();
  if (problems !== undefined) return problems.map(agentTrouble);
  const locked = policies.find(locksDns)?.denyNames?.[0];
  if (locked !== undefined)
    return [
      {
        severity: 'problem',
        found: 'the agent is not running',
        why: `${locked.source} is a name that the agent's DNS refuses: without it containers under that policy have no DNS`,
        remedy: 'systemctl enable --now drawbridge-agent',
      },
    ];
  const names = policies.flatMap((policy) => policy.names);
  if (names.length === 0) return [];
  const wildcards = names.filter(({ name }) => name.startsWith('*.'));
  return [
    {
      severity: wildcards.length === 0 ? 'warning' : 'problem',
      found: 'the agent is not running',
      why:
        wildcards.length === 0
          ? 'addresses of names are not renewed: when a name changes its addresses, containers do not reach it any more'
          : `patterns such as "${wildcards[0]?.name}" open nothing without it, and addresses of names are not renewed`,
      remedy: 'systemctl enable --now drawbridge-agent   # or, now and then, "drawbridge refresh"',
    },
  ];
}

/** Milliseconds. */
const patience = 2000;

/** Asks for the names that policies have; without any there is nothing of ours that needs an answer. */
async function checkDns({ attachments }: Survey): Promise<Trouble[]> {
  const policies = attachments.flatMap(({ record }) => record.egress?.policy ?? []);
  const asked = new Map(
    policies.flatMap(({ names, dns }) =>
      names
        .filter(({ name }) => !name.startsWith('*.'))
        .slice(0, 1)
        .map(({ name }) => [dns.upstream.join(' '), { name, servers: dns.upstream }] as const),
    ),
  );
  const troubles = await Promise.all(
    [...asked.values()].map(async ({ name, servers }): Promise<Trouble[]> => {
      const [resolution] = await resolveNames([name], { servers, deadline: patience });
      if (resolution === undefined || resolution.answers.length > 0 || resolution.failures.length < 2) return [];
      const who = servers.length === 0 ? "the host's resolvers (/etc/resolv.conf)" : servers.join(', ');
      return [
        {
          severity: 'problem',
          found: `"${name}" does not resolve at ${who}: ${resolution.failures[0]?.why ?? 'no answer'}`,
          why: 'names of policies open only their last good addresses, and containers cannot resolve at the gateway either',
          ...(servers.length === 0
            ? { remedy: 'cat /etc/resolv.conf; resolvectl status' }
            : { remedy: 'check "dns": { "upstream": … } of the policy', isAdvice: true }),
        },
      ];
    }),
  );
  return troubles.flat();
}

async function checkLeftovers(): Promise<Trouble[]> {
  const { findings } = await findAll(readKnown(), true);
  const removable = findings.filter(({ remove }) => remove !== undefined);
  if (removable.length === 0) return [];
  return [
    {
      severity: 'notice',
      found: `${count(removable.length, 'thing')} of containers that are gone ${removable.length === 1 ? 'is' : 'are'} left: ${[...new Set(removable.map(({ kind }) => kind))].join(', ')}`,
      why: 'they hold addresses and ports, and hide other problems',
      remedy: 'drawbridge clean',
      fix: async () => {
        for (const { remove } of removable) await remove?.();
      },
    },
  ];
}
