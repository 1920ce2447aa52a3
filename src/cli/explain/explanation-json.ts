import { startOf } from '../../repair/survey/policy-place.ts';
import type { Explanation } from './explanation.ts';

/** As conf/schema/explain.json has it. */
export function explanationJson({
  record,
  asked,
  verdict,
  rule,
  reason,
  answers,
  place,
  file,
  advice,
  opening,
  trace: path,
  problems,
}: Explanation): object {
  return {
    verdict,
    reason,
    rule,
    destination: asked.text,
    addresses: answers.map((one) => ({
      address: one.address,
      verdict: one.verdict === 'allow' && one.obstacles.length === 0 ? 'allow' : 'deny',
      rule: one.rule,
      reason: one.reason,
      ...(one.audited === true ? { audited: true } : {}),
      open: one.open.map(({ name, seconds }) => ({ name, seconds: seconds ?? null })),
      obstacles: one.obstacles,
    })),
    container: { network: record.network, containerId: record.containerId, ifname: record.ifname },
    policy: {
      mode: record.egress?.policy.mode ?? null,
      name: record.egress?.policyName ?? null,
      file: file === undefined ? null : startOf(file).file,
    },
    place: place ?? null,
    advice: advice ?? null,
    opening: opening ?? null,
    problems,
    ...(path === undefined ? {} : { trace: path }),
  };
}
