/** Whatever one command finds, the others find. */
import { attach, drawbridge, withPolicy } from './cli.ts';
import { makeHost } from '../helpers/private-host.ts';
import { describe, expect, test } from '../helpers/host.ts';

const cases = [
  {
    what: 'a named policy whose file is gone',
    make: 'rm /etc/drawbridge/policies/work.json',
    says: 'Cannot find policy "work"',
    check: 'policies',
  },
  {
    what: 'a named policy whose file is invalid',
    make: 'echo "{" > /etc/drawbridge/policies/work.json',
    says: 'Cannot use policy "work"',
    check: 'policies',
  },
  {
    what: 'a named policy that changed and is not applied',
    make: `echo '{ "allow": ["1.1.1.1"] }' > /etc/drawbridge/policies/work.json`,
    says: 'policy "work" has changed in its file, and is not applied',
    check: 'policies',
  },
  {
    what: 'an interface that is down inside a container',
    make: 'ip -n job link set eth0 down',
    says: 'its interface "eth0" is down inside the container',
    check: 'links',
  },
  {
    what: 'a bridge that is down',
    make: 'ip link set drawbridge2 down',
    says: /is down/,
    check: 'bridges',
  },
  { what: 'rules that are gone', make: 'nft flush ruleset', says: 'its rules are not in force', check: 'rules' },
];

describe('list, doctor and explain', () => {
  test.each(cases)('all tell of $what', async ({ make, says, check }) => {
    await using host = await makeHost();
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.sh(
      `mkdir -p /etc/drawbridge/policies; echo '{ "allow": ["8.8.8.8"] }' > /etc/drawbridge/policies/work.json`,
    );
    await attach(host, withPolicy({ policy: 'work' }), 'job');
    const tell = async (): Promise<Record<string, string>> => {
      const [list, doctor, explain] = [
        (await drawbridge(host, ['list', '--json'])).json,
        (await drawbridge(host, ['doctor', '--json'])).json,
        (await drawbridge(host, ['explain', 'job', '8.8.8.8', '--json'])).json,
      ];
      const found = (doctor as { check: string; found: string }[]).filter((one) => one.check === check);
      return {
        list: list[0].stale.join('\n'),
        doctor: found.map((one) => one.found).join('\n'),
        explain: [explain.reason, ...explain.problems].join('\n'),
      };
    };
    for (const words of Object.values(await tell())) expect(words).not.toMatch(says);
    await host.sh(make);
    for (const [command, words] of Object.entries(await tell())) expect(words, command).toMatch(says);
  });
});
