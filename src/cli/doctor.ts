import { CniError } from '../cni/errors.ts';
import { unknown, type Invocation } from './command.ts';
import { accountingCheck } from './doctor/accounting.ts';
import { boundsCheck } from './doctor/bounds.ts';
import { dnsWayOutCheck } from './doctor/dns.ts';
import type { Check, CheckName, Trouble } from './doctor/check.ts';
import { hostChecks } from './doctor/host.ts';
import { addressChecks } from './doctor/addresses.ts';
import { loopbackCheck } from './doctor/loopback.ts';
import { marksCheck } from './doctor/marks.ts';
import { nat64Check } from './doctor/nat64.ts';
import { queueCheck } from './doctor/queue.ts';
import { networkChecks } from './doctor/network.ts';
import { policyChecks } from './doctor/policies.ts';
import { likelyChecks } from './doctor/symptoms.ts';
import { printVersions } from './doctor/versions.ts';
import { surveyAttachments, type Survey } from '../repair/survey/attachments.ts';
import { count } from '../repair/survey/words.ts';
import { printJson, type Terminal } from './terminal.ts';
import { printRemedy } from './remedy.ts';
import { wrap } from './wrap.ts';
import { systemReason } from '../text/system-error.ts';

interface Diagnosis extends Trouble {
  readonly check: CheckName;
  readonly fixed: boolean;
  /** The check itself failed: what is wrong there stays unknown. */
  readonly isUnknown?: true;
}

const checks: readonly Check[] = [
  ...hostChecks,
  accountingCheck,
  dnsWayOutCheck,
  ...networkChecks,
  loopbackCheck,
  marksCheck,
  nat64Check,
  queueCheck,
  ...addressChecks,
  ...policyChecks,
  boundsCheck,
];
const severities = ['problem', 'warning', 'notice'] as const;

/**
 * Looks at everything that keeps containers from working. Exit status 1 when a problem is left, 3 when there is none
 * and something could not be looked at.
 */
export async function run({ operands, options, version }: Invocation, terminal: Terminal): Promise<number> {
  if (options['versions'] === true) return printVersions(version, options['json'] === true, terminal);
  const symptom = operands.join(' ');
  const found = inOrder(await diagnoseAll(), symptom);
  const diagnoses = options['fix'] === true ? await fixAll(found, terminal) : found;
  if (options['json'] === true) printJson(terminal, diagnoses.map(asJson));
  else print(diagnoses, symptom, terminal);
  if (diagnoses.some(({ severity, fixed }) => severity === 'problem' && !fixed)) return 1;
  return diagnoses.some(({ isUnknown }) => isUnknown === true) ? unknown : 0;
}

async function diagnoseAll(): Promise<Diagnosis[]> {
  const survey = await surveyAttachments();
  return (await Promise.all(checks.map(async (check) => diagnose(check, survey)))).flat();
}

/** A check that fails is a finding: it tells that something is badly wrong where it looked. */
async function diagnose({ name, run: look, about }: Check, survey: Survey): Promise<Diagnosis[]> {
  try {
    return (await look(survey)).map((trouble) => ({ check: name, fixed: false, ...trouble }));
  } catch (error) {
    const why = error instanceof CniError ? error.message : String(error);
    return [
      {
        check: name,
        fixed: false,
        isUnknown: true,
        severity: 'warning',
        found: `${about} could not be looked at: ${why}`,
        why: 'what is wrong there stays unknown',
        remedy:
          (error instanceof CniError ? error.details : undefined) ??
          'mend what the other findings name, and look again',
        isAdvice: true,
      },
    ];
  }
}

function inOrder(found: readonly Diagnosis[], symptom: string): Diagnosis[] {
  const likely = likelyChecks(symptom);
  const rank = ({ check, severity }: Diagnosis): number => {
    const place = likely.indexOf(check);
    return (
      (place === -1 || severity === 'notice' ? 100 : place) + severities.indexOf(severity) * (place === -1 ? 10 : 0.1)
    );
  };
  return found.toSorted((one, other) => rank(one) - rank(other));
}

/** Says what it does before it does it, and looks again afterwards: what is still found is not mended. */
async function fixAll(found: readonly Diagnosis[], { note, paint, width }: Terminal): Promise<Diagnosis[]> {
  const tried = found.filter(({ fix }) => fix !== undefined);
  if (tried.length === 0) return [...found];
  for (const { check, found: what, fix } of tried) {
    note(wrap(`${paint.strong('Mending')} ${check}: ${what}`, width, '  '));
    try {
      await fix?.();
    } catch (error) {
      note(`${paint.bad('!')} ${systemReason(error)}`);
    }
  }
  const left = await diagnoseAll();
  const isSame = (one: Diagnosis, other: Diagnosis): boolean => one.check === other.check && one.found === other.found;
  return [
    ...found.map((diagnosis) => ({
      ...diagnosis,
      fixed: diagnosis.fix !== undefined && !left.some((one) => isSame(one, diagnosis)),
    })),
    ...left.filter((one) => !found.some((before) => isSame(before, one))),
  ];
}

/** As conf/schema/doctor.json has it. */
function asJson({ check, severity, found, why, remedy, isAdvice, fix, fixed }: Diagnosis): object {
  return { check, severity, found, why, remedy, isCommand: isAdvice !== true, fixable: fix !== undefined, fixed };
}

function print(diagnoses: readonly Diagnosis[], symptom: string, terminal: Terminal): void {
  const { out, paint, width } = terminal;
  const likely = likelyChecks(symptom);
  if (symptom !== '')
    out(
      likely.length === 0
        ? `Nothing is known of "${symptom}" in particular; everything was looked at.\n`
        : `${paint.strong(`"${symptom}"`)}: the likeliest causes come first.\n`,
    );
  const marks = { problem: paint.bad('PROBLEM'), warning: paint.warn('WARNING'), notice: paint.faint('NOTICE ') };
  for (const { check, severity, found, why, remedy, isAdvice, fixed } of diagnoses) {
    const mark = fixed ? paint.good('MENDED ') : marks[severity];
    out(`${mark}  ${paint.strong(check)}`);
    const fact = (text: string): void => out(`  ${wrap(text, width - 2, '  ')}`);
    fact(found);
    if (!fixed) {
      fact(paint.faint(`${why}.`));
      printRemedy({ remedy, isAdvice }, terminal, 2);
    }
    out('');
  }
  const troubled = new Set(diagnoses.flatMap(({ check, severity }) => (severity === 'notice' ? [] : [check])));
  const passed = checks.filter(({ name }) => !troubled.has(name)).length;
  out(
    passed === checks.length
      ? `${paint.good(`All ${passed} checks passed`)}.`
      : `${passed} of ${count(checks.length, 'check')} passed.`,
  );
  const open = diagnoses.filter(({ severity, fixed }) => severity === 'problem' && !fixed);
  const fixable = open.filter(({ fix }) => fix !== undefined).length;
  if (open.length > 0)
    out(
      `${paint.bad(count(open.length, 'problem'))}${fixable === 0 ? '' : `; "drawbridge doctor --fix" mends ${fixable === open.length ? (fixable === 1 ? 'it' : 'them') : fixable}`}`,
    );
  else if (symptom !== '')
    out(
      wrap(
        'No problem of the host explains it: ask "drawbridge explain CONTAINER DESTINATION" whether the policy does.',
        width,
      ),
    );
}
