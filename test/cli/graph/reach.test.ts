import { expect, test } from 'vitest';
import { reachOf } from '../../../src/cli/graph/reach.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';
import { policyId } from '../../../src/egress/policy-id.ts';
import type { Policy } from '../../../src/egress/policy.ts';
import { numbered } from '../../records/sample.ts';

test('reachOf() looks at a policy as often for 300 containers as for one', () => {
  const policy = parsePolicy({ mode: 'allowlist', allow: ['203.0.113.7:443'] }, 'egress');
  let looks = 0;
  const counted: Policy = new Proxy(policy, {
    get: (target, key) => {
      looks += 1;
      return Reflect.get(target, key) as unknown;
    },
  });
  const records = Array.from({ length: 300 }, (_, n) => ({
    ...numbered(n + 1),
    egress: {
      ingressInterface: 'drawbridge0',
      addresses: [`10.88.0.${n + 1}`],
      gateways: [],
      policy: counted,
      policyId: policyId(policy),
    },
  }));
  const [first, ...others] = records;
  const reach = reachOf(first!);
  const once = looks;
  expect(once).toBeGreaterThan(0);
  for (const record of others) expect(reachOf(record)).toEqual(reach);
  expect(looks).toBe(once);
});
