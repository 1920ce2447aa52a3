import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leftBehind, makeContainerdMachine, type ContainerdMachine } from './containerd.ts';
import { image } from './image.ts';
import { pluginFolder } from './machine.ts';
import { client, debian, version } from './tools.ts';

const programs = client('nerdctl-tests');

interface Run {
  readonly program: string;
  readonly flags: readonly string[];
  readonly names: readonly string[];
}

/** nerdctl counts its older tests as flaky as a whole, and skips them unless it is told to run those alone. */
const flaky = ['-test.only-flaky'];

/** Much of their time is waiting, so they run on two hosts at once. */
const hosts: readonly (readonly Run[])[] = [
  [
    { program: 'container.test', flags: flaky, names: ['TestRunPort'] },
    {
      program: 'container.test',
      flags: [...flaky, '-test.only-ipv6'],
      names: ['TestRunContainerWithStaticIP6'],
    },
    {
      program: 'network.test',
      flags: [],
      names: ['TestNetworkCreate', 'TestNetworkInspect', 'TestNetworkLsFilter', 'TestNetworkRemove'],
    },
    {
      program: 'compose.test',
      flags: flaky,
      names: ['TestComposeUpNetWithStaticIP', 'TestComposeUpMultiNet', 'TestComposeIPAMConfig', 'TestComposePort'],
    },
  ],
  [
    {
      program: 'container.test',
      flags: flaky,
      names: [
        'TestRunPortWithNoHostPort',
        'TestUniqueHostPortAssignement',
        'TestContainerInspectContainsPortConfig',
        'TestStopStart',
        'TestRestart',
        'TestRunInternetConnectivity',
        'TestRunHostLookup',
        'TestRunContainerWithStaticIP',
        'TestRunContainerWithMACAddress',
        'TestCreateWithMACAddress',
        'TestSharedNetworkStack',
        'TestRunContainerInExistingNetNS',
        'TestRunNetworkHostHostname',
        'TestHostsFileMounts',
        'TestRenameUpdateHosts',
        'TestRunDNS',
        'TestStopCleanupForwards',
        'TestKillCleanupForwards',
      ],
    },
  ],
];

/**
 * They look for rules of iptables by the names that the reference gives them; whether the port is closed they do not
 * look.
 */
const looksForIptables = ['TestStopCleanupForwards', 'TestKillCleanupForwards'];

/** What the tests call Alpine and nginx: there is no registry here. */
const images = [
  { name: 'ghcr.io/stargz-containers/alpine:3.13-org', command: ['/bin/sh'] },
  {
    name: 'ghcr.io/stargz-containers/nginx:1.19-alpine-org',
    command: ['/bin/sh', '-c', "trap 'exit 0' TERM QUIT; httpd -f -h /www & wait"],
    page: '<title>Welcome to nginx!</title>\n',
  },
];

describe.skipIf(programs === undefined || debian('containerd') === undefined || client('nerdctl') === undefined)(
  `tests of nerdctl ${version('nerdctl-tests')} with nerdctl ${version('nerdctl')}, against the drop-ins`,
  () => {
    const machines: ContainerdMachine[] = [];
    const outcomes = new Map<string, string>();
    const left: string[] = [];

    async function prepare(): Promise<ContainerdMachine> {
      const machine = await makeContainerdMachine();
      machines.push(machine);
      for (const [index, options] of images.entries()) {
        writeFileSync(`/proc/${machine.host.pid}/root/run/test-image${index}.tar`, image(options));
        await machine.run(['ctr', '-n', 'nerdctl-test', 'image', 'import', `/run/test-image${index}.tar`]);
      }
      // What is not ours they find as well (macvlan, ipvlan). A resolver that refuses at once spares waiting for names
      // that must not resolve.
      await machine.sh(`cp -n /usr/lib/cni/* ${pluginFolder}/; echo nameserver 192.0.2.2 > /etc/resolv.conf`);
      await machine.host.takeBaseline();
      return machine;
    }

    beforeAll(async () => {
      const ran = hosts.map(async (runs) => {
        const machine = await prepare();
        for (const { program, flags, names } of runs) {
          const { stdout, stderr } = await machine.exec(
            [join(programs!, program), '-test.v', '-test.parallel=1', `-test.run=^(${names.join('|')})$`, ...flags],
            { timeout: 200_000 },
          );
          for (const name of names) outcomes.set(name, outcomeOf(name, `${stdout}\n${stderr}`));
        }
        left.push(...(await leftBehind(machine)));
      });
      await Promise.all(ran);
    }, 300_000);
    afterAll(async () => {
      for (const machine of machines) await machine[Symbol.asyncDispose]();
    });

    const names = hosts.flat().flatMap((run) => run.names);
    test.for(names.filter((name) => !looksForIptables.includes(name)))('%s', (name) => {
      expect(outcomes.get(name)).toBe('passed');
    });

    test.fails.for(looksForIptables)('%s: looks for iptables chains of the reference, which are not there', (name) => {
      const outcome = outcomes.get(name);
      // Any other outcome is not the difference that is known.
      if (/error listing rules in chain.*CNI-HOSTPORT-DNAT/.test(outcome ?? '')) expect(outcome).toBe('passed');
    });

    test('nothing is left after them', () => {
      expect(left).toEqual([]);
    });
  },
);

/** "passed", or what Go printed from the start of the test to its verdict. */
function outcomeOf(name: string, output: string): string {
  const verdict = new RegExp(`^--- (PASS|FAIL|SKIP): ${name} `, 'm').exec(output);
  if (verdict === null) return `was not run: ${output.slice(-2000)}`;
  if (verdict[1] === 'PASS') return 'passed';
  return output.slice(output.indexOf(`=== RUN   ${name}\n`), verdict.index + 200).slice(-4000);
}
