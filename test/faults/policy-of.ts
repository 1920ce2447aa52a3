import { CniError, codes } from '../../src/cni/errors.ts';
import { parsePolicy } from '../../src/egress/parse.ts';
import type { Policy } from '../../src/egress/policy.ts';
import { findJsonProblem } from '../../src/text/json-problem.ts';
import { withoutComments } from '../../src/text/jsonc.ts';

/** A policy of the text of a file, as decodePolicy() and parsePolicy() read it, at once. */
export function policyOf(text: string): Policy {
  const plain = withoutComments(text);
  const problem = findJsonProblem(plain);
  if (problem !== undefined) throw new CniError(codes.invalidConfig, problem.problem);
  return parsePolicy(JSON.parse(plain), '');
}
