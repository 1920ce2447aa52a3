/** Runs inside a private host: calls the functions under test as a plugin would, and prints what they answer. */
import {
  closeForeignFirewalls,
  inspectForeignFirewalls,
  openForeignFirewalls,
} from '../../src/host/firewall/foreign.ts';

const [verb, bridge = '', options = '{}', times = '1'] = process.argv.slice(2);
const given = JSON.parse(options) as Record<string, unknown>;

async function call(): Promise<unknown> {
  if (verb === 'open') return openForeignFirewalls(bridge, given);
  if (verb === 'inspect') return inspectForeignFirewalls(bridge, given);
  const { used = false } = given as { used?: boolean };
  return closeForeignFirewalls(bridge, { stillUsed: () => used });
}

const answers = await Promise.all(Array.from({ length: Number(times) }, call));
console.log(JSON.stringify(answers[0] ?? null));
