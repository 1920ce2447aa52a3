/**
 * Runs the tests of what differs between versions in roots of other distributions:
 * `npm run test:userlands [-- SUITE…]`. Writes the rows of those that passed into the table of docs/hosts.md, and takes
 * out those of the others. Exit status 1 when a test failed or a root is missing.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import prepare from '../helpers/executable.ts';
import { ask, isThere, oldSuite, runTests, suites, wholeForm, type Suite } from './userlands.ts';

const page = join(import.meta.dirname, '../../docs/hosts.md');
const marks = ['<!-- userlands -->', '<!-- /userlands -->'] as const;

const wanted = process.argv.slice(2);
const all: readonly Suite[] = [oldSuite, ...suites];
const chosen = all.filter((suite) => wanted.length === 0 || wanted.includes(suite));
if (chosen.length === 0)
  throw new Error(`There is no suite of these: ${wanted.join(', ')}; expected ${all.join(', ')}`);

prepare();
for (const suite of chosen) {
  const row = suite === oldSuite ? rowOfRefusal(suite) : rowOf(suite);
  writeRow(suite, row);
  if (row === undefined) process.exitCode = 1;
}

/** Undefined when something failed; it has been said then. */
function rowOf(suite: Suite): string | undefined {
  if (isMissing(suite)) return undefined;
  const { passed, failed, seconds } = runTests(suite, wholeForm);
  console.log(`${suite}: ${passed} passed, ${failed.length} failed, ${seconds} s`);
  for (const title of failed) console.log(`  failed: ${title}`);
  if (passed === 0) console.log('  no test ran: is the executable as new as its sources? "npm run build" makes it');
  if (failed.length > 0 || passed === 0) return undefined;
  return `| ${[suite, ...versionsOf(suite), `${passed}`].join(' | ')} |`;
}

/** Where nothing can work, ADD and STATUS have to say so in one sentence. */
function rowOfRefusal(suite: Suite): string | undefined {
  if (isMissing(suite)) return undefined;
  const conf = JSON.stringify({
    cniVersion: '1.1.0',
    name: 'old',
    type: 'drawbridge',
    ipam: { type: 'host-local', subnet: '10.99.0.0/24' },
  });
  const call = (verb: string): string =>
    ask(
      suite,
      `unshare --net --mount sh -c 'mount --make-rprivate /; ip netns add c; echo "$2" | CNI_COMMAND=$1 CNI_CONTAINERID=c CNI_NETNS=/run/netns/c CNI_IFNAME=eth0 CNI_PATH=/repository/bundle/bin /repository/bundle/bin/drawbridge || true' sh ${verb} '${conf}'`,
    );
  const sentence = /"[^"]*nft" is nft [\d.]+ and does not understand them; [\d.]+ or later is needed/;
  const wrong = (
    [
      ['ADD', 100],
      ['STATUS', 50],
    ] as const
  ).flatMap(([verb, code]) => {
    const said = call(verb);
    const isRefusal =
      said.includes(`"code": ${code}`) && sentence.test(said.replaceAll('\\"', '"')) && said.length < 700;
    return isRefusal ? [] : [`${verb} said ${said}`];
  });
  console.log(`${suite}: ${wrong.length === 0 ? 'refused in one sentence, as it has to be' : wrong.join('\n')}`);
  return wrong.length === 0
    ? `| ${[suite, ...versionsOf(suite), 'refused: STATUS 50, ADD 100'].join(' | ')} |`
    : undefined;
}

function isMissing(suite: Suite): boolean {
  if (isThere(suite)) return false;
  console.log(`${suite}: there is no root of it below test/.cache/userlands`);
  return true;
}

function versionsOf(suite: Suite): string[] {
  return [
    '. /etc/os-release; echo "$PRETTY_NAME"',
    'nft --version | cut -d" " -f2 | tr -d v',
    'ip -V 2>/dev/null | sed "s/.*iproute2-//; s/,.*//"',
    '(iptables --version 2>/dev/null || echo "- -") | cut -d" " -f2 | tr -d v',
    'ldd --version | sed -n "1s/.* //p"',
  ].map((script) => ask(suite, script));
}

/** The row of a suite begins with its name. */
function writeRow(suite: Suite, row: string | undefined): void {
  const text = readFileSync(page, 'utf8');
  const [before = '', rest = ''] = text.split(marks[0]);
  const [table = '', after = ''] = rest.split(marks[1]);
  const standing = new Map(table.split('\n').map((line) => [line.split(' ')[1] ?? '', line]));
  const lines = all.flatMap((name) => (name === suite ? row : standing.get(name)) ?? []);
  const head = ['| root | host | nft | iproute2 | iptables | glibc | tests passed |', '|---|---|---|---|---|---|---|'];
  writeFileSync(page, `${before}${marks[0]}\n${[...head, ...lines].join('\n')}\n${marks[1]}${after}`);
}
