import { commands } from '../../src/cli/commands.ts';
import { attach, drawbridge, shipped } from './cli.ts';
import { describe, expect, test } from '../helpers/host.ts';
import { executable } from '../helpers/executable.ts';

/** Words that each command needs; those that go on until they are stopped, or change the host's files, are left out. */
const words: Readonly<Record<string, readonly string[]>> = {
  list: [],
  explain: ['web0', '8.8.8.8'],
  doctor: [],
  clean: [],
  'policy check': ['/nowhere.json'],
  'policy show': ['nosuch'],
  'policy diff': ['one', 'other'],
  presets: [],
  seccomp: [],
  watch: ['--for', '0.2'],
  flows: [],
  top: ['--once', '--interval', '0.1'],
  'policy test': ['nosuch'],
  'policy apply': ['/nowhere.json'],
  'policy add': ['nosuch', '8.8.8.8'],
  'policy undo': ['nosuch'],
  learn: ['web0'],
  refresh: [],
  allow: ['web0', '8.8.4.4:53/udp'],
  revoke: ['web0'],
  'port add': ['web0', '8080:80'],
  'port remove': ['web0', '8080'],
  'tap add': ['vm0'],
  'tap remove': ['vm0'],
  'tap show': ['vm0'],
  'policy list': [],
  'port list': [],
  status: [],
  graph: [],
  uninstall: [],
};
/**
 * Yes, no or failed, could not tell (docs/command-line.md); `status` has what Nagios expects, of which 2 is critical.
 */
const known = (name: string): readonly number[] => (name === 'status' ? [0, 1, 2, 3] : [0, 1, 3]);
const able = commands.filter(({ name }) => name in words);

describe('every command', () => {
  test('is tried here, or known not to be', () => {
    expect(
      commands
        .map(({ name }) => name)
        .filter((name) => !(name in words))
        .toSorted(),
    ).toEqual(['agent', 'answer-dns', 'complete', 'completion', 'install', 'man', 'policy edit', 'probe', 'ui']);
  });

  test('says that root is needed where it is, with status 1, or 3 where it is to tell something', async ({ host }) => {
    for (const { name, isQuestion } of able.filter(({ needsRoot }) => needsRoot)) {
      const { code, stdout, stderr } = await host.exec([
        'setpriv',
        '--reuid',
        '65534',
        '--clear-groups',
        executable,
        ...name.split(' '),
        ...(words[name] ?? []),
      ]);
      expect({ name, code, stdout, stderr }).toEqual({
        name,
        code: isQuestion === true ? 3 : 1,
        stdout: '',
        stderr: expect.stringContaining(`Cannot run "drawbridge ${name}": root is needed`),
      });
    }
  });

  test('answers in sentences on a host where nothing is installed, not even nft', async ({ host }) => {
    await host.sh('mkdir -p /run/none; mount --bind /run/none /usr/sbin');
    for (const { name } of able) {
      const { code, stderr } = await drawbridge(host, [...name.split(' '), ...(words[name] ?? [])]);
      expect({ name, isKnown: known(name).includes(code) }).toEqual({ name, isKnown: true });
      expect(stderr).not.toMatch(/^\s+at /m);
      expect(stderr).not.toMatch(/TypeError|undefined/);
    }
  });

  test('survives a record that cannot be read', async ({ host }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'web0');
    await host.sh('echo "{" > /run/drawbridge/attachments/0123456789abcdef.json');
    for (const { name } of able.filter((command) => !['uninstall', 'clean'].includes(command.name))) {
      const { code, stderr } = await drawbridge(host, [...name.split(' '), ...(words[name] ?? [])]);
      expect({ name, isKnown: known(name).includes(code) }).toEqual({ name, isKnown: true });
      expect(stderr).not.toMatch(/^\s+at /m);
    }
  });
});
