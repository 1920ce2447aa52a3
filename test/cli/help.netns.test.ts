import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { commands } from '../../src/cli/commands.ts';
import { executable } from '../helpers/executable.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';
import { attach, drawbridge, shipped } from './cli.ts';

const shown = commands.filter(({ hidden }) => hidden !== true);

describe('drawbridge help', () => {
  test('shows every command within 80 columns', async ({ host }) => {
    const { code, stdout } = await drawbridge(host, ['help']);
    expect(code).toBe(0);
    await expect(stdout).toMatchFileSnapshot('golden/help.txt');
    for (const { name } of shown) expect(stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  test('is the first page that "drawbridge" alone shows', async ({ host }) => {
    const { stdout: page } = await drawbridge(host, ['help']);
    const { code, stdout, stderr } = await drawbridge(host, []);
    expect({ code, stdout }).toEqual({ code: 0, stdout: page });
    expect(stderr).toMatch(/^CNI drawbridge plugin v/);
  });

  test('shows usage, options and examples of each command', async ({ host }) => {
    for (const { name } of shown) {
      const { code, stdout } = await drawbridge(host, [...name.split(' '), '--help']);
      expect({
        name,
        code,
        wide: stdout.split('\n').filter((line) => line.length > 80 && !line.startsWith('  ')),
      }).toEqual({ name, code: 0, wide: [] });
      expect(stdout).toMatch(/^Usage\n {2}drawbridge /m);
      expect(stdout).toMatch(/^Examples\n/m);
    }
    await expect((await drawbridge(host, ['explain', '--help'])).stdout).toMatchFileSnapshot('golden/help-explain.txt');
  });

  test('prints colours on a terminal only, and none with NO_COLOR', async ({ host }) => {
    const onTerminal = async (env: string) => host.sh(`${env} script -qec '${executable} help' /dev/null`);
    expect(await onTerminal('TERM=xterm')).toContain('\u001b[');
    expect(await onTerminal('TERM=xterm NO_COLOR=1')).not.toContain('\u001b[');
    expect((await drawbridge(host, ['help'], { env: { TERM: 'xterm' } })).stdout).not.toContain('\u001b[');
  });
});

const env = { PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', HOME: '/run' };
const terminal = join(import.meta.dirname, '../helpers/terminal.py');

/** The executable in PATH, a policy and a container to name. */
async function prepare(host: Host): Promise<void> {
  await host.sh(
    `ln -s ${executable} /usr/local/bin/drawbridge; mkdir -p /etc/drawbridge/policies; echo {} > /etc/drawbridge/policies/work.json`,
  );
  await attach(host, shipped('20-interface-only'), 'web0');
}

describe('drawbridge completion', () => {
  const complete = `
    eval "$(drawbridge completion bash)"
    offer() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _drawbridge; echo "\${COMPREPLY[*]}"; }`;

  test('completes commands, their second words, options and values in bash', async ({ host }) => {
    await prepare(host);
    const offered = await host.run([
      'bash',
      '-ec',
      `${complete}
      offer drawbridge ex; offer drawbridge policy ''; offer drawbridge graph --format m; offer drawbridge clean --dr; offer drawbridge policy show wo; offer drawbridge explain we; offer drawbridge completion f`,
    ]);
    expect(offered.trimEnd().split('\n')).toEqual([
      'explain',
      'check list test apply add edit undo show diff',
      'mermaid',
      '--dry-run',
      'work',
      'web0',
      'fish',
    ]);
  });

  test('runs nothing that stands in the name of a container, and offers its id in bash', async ({ host }) => {
    await prepare(host);
    await host.sh(`cd /run; mkdir -p containerd/io.containerd.runtime.v2.task/k8s.io/web0
      echo '{"annotations":{"io.kubernetes.cri.container-type":"sandbox","io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-name":"$(touch /run/ran)"}}' > containerd/io.containerd.runtime.v2.task/k8s.io/web0/config.json`);
    expect(await host.sh('drawbridge list --json', { env })).toContain('$(touch /run/ran)');
    expect(await host.run(['bash', '-ec', `${complete}\noffer drawbridge explain ''`])).toContain('web0');
    expect((await host.exec(['ls', '/run/ran'])).code, 'the name was run as a command').not.toBe(0);
  });

  test('completes them in fish, each with what it means', async ({ host }) => {
    await prepare(host);
    const offered = async (line: string) =>
      host.sh(
        `drawbridge completion fish > /run/drawbridge.fish; fish --no-config -c 'source /run/drawbridge.fish; complete -C "$argv"' '${line}'`,
        { env },
      );
    expect(await offered('drawbridge ex')).toMatch(/^explain\tSay whether a container/);
    expect(await offered('drawbridge policy ')).toMatch(
      /^add\t.*\napply\t.*\ncheck\t.*\ndiff\t.*\nedit\t.*\nlist\t.*\nshow\t.*\ntest\t.*\nundo\t.*\n$/,
    );
    expect(await offered('drawbridge policy show w')).toBe('work\n');
    expect(await offered('drawbridge explain we')).toBe('web0\n');
    expect(await offered('drawbridge watch --container we')).toMatch(/^web0\t/);
    expect(await offered('drawbridge graph --format m')).toMatch(/^mermaid\t/);
    expect(await offered('drawbridge clean --dr')).toMatch(/^--dry-run\tList what/);
    expect(await offered('drawbridge policy check /etc/drawbridge/pol')).toContain('/etc/drawbridge/policies/');
    expect(await offered('drawbridge completion z')).toBe('zsh\n');
    // Not the files of the folder where it is no file that is wanted.
    expect(await offered('drawbridge list /et')).toBe('');
  });

  test('completes them in zsh, each with what it means', async ({ host }) => {
    await prepare(host);
    await host.sh('mkdir -p /run/zsh; drawbridge completion zsh > /run/zsh/_drawbridge', { env });
    /** Types each line and TAB, and goes on when the words beside it are on the screen. Returns the screen. */
    const typed = async (lines: Readonly<Record<string, string>>) => {
      const setUp = 'PS1="rea""dy> "; fpath=(/run/zsh $fpath); autoload -U compinit; compinit -u -D; cd /run\n';
      const keys = [
        ['', setUp],
        ...Object.entries(lines).flatMap(([line, words]) => [
          ['ready> ', `${line}\t`],
          [words, '\u0003'],
        ]),
        ['ready> ', 'exit 0\n'],
      ];
      const screen = await host.run(['python3', '-I', terminal, '100', JSON.stringify(keys), 'zsh', '-f', '-i'], {
        env: { ...env, TERM: 'xterm' },
        timeout: 90_000,
      });
      return stripVTControlCharacters(screen).replaceAll('\r', '');
    };
    const lines = {
      'drawbridge exp': 'drawbridge explain',
      'drawbridge policy ': 'show   -- Show a policy',
      'drawbridge policy show wo': 'drawbridge policy show work',
      'drawbridge explain we': 'drawbridge explain web0',
      'drawbridge watch --container we': 'drawbridge watch --container web0',
      'drawbridge graph --format me': 'drawbridge graph --format mermaid',
      'drawbridge clean --dr': 'drawbridge clean --dry-run',
    };
    const screen = await typed(lines);
    for (const words of Object.values(lines)) expect(screen).toContain(words);
    expect(screen).toMatch(/^check +-- Find what is wrong with policy files/m);
    expect(screen).not.toMatch(/command not found|parse error|_arguments/);
  });

  test('knows no other shell', async ({ host }) => {
    expect(await drawbridge(host, ['completion', 'csh'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('bash, zsh, fish'),
    });
  });
});

describe('drawbridge man', () => {
  test('prints a page of the program, and one of each command', async ({ host }) => {
    expect((await drawbridge(host, ['man'])).stdout).toMatch(/^\.TH DRAWBRIDGE 8/);
    for (const { name } of shown) {
      const { code, stdout } = await drawbridge(host, ['man', ...name.split(' ')]);
      expect({ name, code, sections: [...stdout.matchAll(/^\.SH (.*)$/gm)].map(([, title]) => title) }).toMatchObject({
        code: 0,
        sections: expect.arrayContaining(['NAME', 'SYNOPSIS', 'EXAMPLES']),
      });
      expect(stdout.split('\n').filter((line) => line.startsWith("'"))).toEqual([]);
    }
  });

  test('prints pages that mandoc has nothing to say against, and that read well', async ({ host }) => {
    for (const name of ['', ...shown.map((command) => command.name)]) {
      const { stdout } = await drawbridge(host, ['man', ...name.split(' ').filter((word) => word !== '')]);
      const { stdout: complaints } = await host.exec(['mandoc', '-T', 'lint', '-W', 'warning'], { input: stdout });
      // A page that is made of a table has no date of its own.
      const told = complaints.split('\n').filter((line) => line !== '' && !line.includes('missing date'));
      expect({ name, told }).toEqual({ name, told: [] });
    }
    const { stdout } = await drawbridge(host, ['man', 'explain']);
    const page = await host.run(['mandoc', '-T', 'ascii', '-O', 'width=78'], { input: stdout });
    await expect(page.replaceAll(/.\x08/g, '')).toMatchFileSnapshot('golden/man-explain.txt');
  });
});
