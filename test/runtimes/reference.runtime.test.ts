import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cnitool } from '../helpers/cnitool.ts';
import type { ExecResult } from '../helpers/private-host.ts';
import { leftBehind } from './containerd.ts';
import { makeMachine, pluginFolder, type Machine } from './machine.ts';
import { client, version } from './tools.ts';

/** `ptp` and `host-local` of these tests are not ours: Debian's. */
const reference = '/usr/lib/cni';
const programs = client('reference-tests');

/** Each test by its program, its file, and words of the name that Ginkgo prints of it. */
const cases: readonly (readonly [program: string, file: string, ...words: string[]])[] = [
  ['integration.test', 'integration_linux_test.go', 'supports basic network add and del operations'],
  ['integration.test', 'integration_linux_test.go', 'supports add and del with ptp + bandwidth'],
  ['integration.test', 'integration_linux_test.go', 'limits traffic only on the restricted bandwidth veth device'],
  ...['0.3.0', '0.3.1', '0.4.0', '1.0.0'].flatMap((cniVersion) => [
    ['portmap.test', 'portmap_integ_test.go', `[${cniVersion}] forwards a TCP port on ipv4`] as const,
    [
      'portmap.test',
      'portmap_integ_test.go',
      `[${cniVersion}] forwards a UDP port on ipv4 and keep working after creating a second container with the same HostPort`,
    ] as const,
  ]),
  ['firewall.test', 'firewall_integ_test.go', "ingress-policy 'same-bridge", 'allow communication within foo network'],
  [
    'firewall.test',
    'firewall_integ_test.go',
    "ingress-policy 'same-bridge",
    'prevent communication between foo and bar',
  ],
  ['firewall.test', 'firewall_integ_test.go', "ingress-policy 'isolated", 'prevent communication within foo network'],
  ['firewall.test', 'firewall_integ_test.go', "ingress-policy 'isolated", 'prevent communication between foo and bar'],
];

/**
 * The reference plugins' own tests against our drop-ins. They build their echo server when they start, with the Go of
 * the machine: here "go" is a script that hands them the one that was built beforehand.
 */
describe.skipIf(programs === undefined || !existsSync(join(reference, 'ptp')))(
  `tests of the reference plugins ${version('reference-tests')}, against the drop-ins`,
  () => {
    const machines: Machine[] = [];

    async function prepare(): Promise<Machine> {
      const machine = await makeMachine([]);
      machines.push(machine);
      await machine.sh(`
        cp -n ${reference}/ptp ${pluginFolder}/
        mkdir -p /run/tools /run/suite
        ln -s ${cnitool().path} /run/tools/cnitool
        ln -s ${pluginFolder} /run/suite/bin
        cp -r ${programs}/integration /run/suite/
        cat > /run/tools/go <<'END'
#!/bin/sh
for package; do :; done
while [ "$1" != -o ]; do shift; done
exec cp "${programs}/echo-$\{package##*/}" "$2"
END
        chmod 755 /run/tools/go`);
      await machine.host.takeBaseline();
      return machine;
    }

    /** Each test program takes its plugins from PATH, or from ../bin. */
    const runSuite = async (machine: Machine, program: string): Promise<ExecResult> =>
      machine.exec(
        [
          '/bin/sh',
          '-c',
          `cd /run/suite/integration; exec ${programs}/${program} -ginkgo.v -ginkgo.no-color -ginkgo.focus 'integration tests|cnitool'`,
        ],
        {
          timeout: 170_000,
          env: { PATH: `/run/tools:${pluginFolder}:/usr/sbin:/usr/bin:/sbin:/bin`, HOME: '/root', LC_ALL: 'C' },
        },
      );

    let outcomes: Readonly<Record<string, string>>;
    let left: string[];

    // At once, each on a host of its own: the test of "bandwidth" waits most of a minute for its own limit.
    beforeAll(async () => {
      const ran = ['integration.test', 'portmap.test', 'firewall.test'].map(async (program) => {
        const machine = await prepare();
        const { stdout, stderr } = await runSuite(machine, program);
        // The reference's ptp masquerades with iptables, which keeps the tables that it made.
        return { program, output: stdout + stderr, left: await leftBehind(machine, [/nft table ip (?:nat|filter)$/]) };
      });
      const ended = await Promise.all(ran);
      outcomes = Object.fromEntries(ended.map(({ program, output }) => [program, output]));
      left = ended.filter(({ program }) => program !== 'firewall.test').flatMap((one) => one.left);
    });
    afterAll(async () => {
      for (const machine of machines) await machine[Symbol.asyncDispose]();
    });

    test.for(cases.map(([program, file, ...words]) => [file, words.join(': '), program, words] as const))(
      '`%s`: %s',
      ([, , program, words]) => {
        expect(outcomeOf(words, outcomes[program] ?? '')).toBe('passed');
      },
    );

    // The tests of "firewall" remove the namespaces before their DELs, which then are not sent.
    test('nothing is left after those of `bandwidth`, `portmap` and cnitool', () => {
      expect(left).toEqual([]);
    });
  },
);

/** "passed", or the part of the output that says why not. */
function outcomeOf(words: readonly string[], output: string): string {
  const parts = output.split(/^-{30,}$/m).map((part) => part.trim());
  const part = parts.find((one) => words.every((word) => one.split('\n', 1)[0]?.includes(word)));
  if (part === undefined) return `was not run: ${output.slice(-2000)}`;
  return /^• \[[\d.]+ seconds\]$/m.test(part) ? 'passed' : part;
}
