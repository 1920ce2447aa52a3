import { commands } from '../../src/cli/commands.ts';
import { drawbridge } from './cli.ts';
import { describe, expect, test } from '../helpers/host.ts';

const shown = commands.filter(({ hidden }) => hidden !== true);

describe('drawbridge help', () => {
  test('shows every command within 80 columns', async ({ host }) => {
    const { code, stdout } = await drawbridge(host, ['help']);
    expect(code).toBe(0);
    await expect(stdout).toMatchFileSnapshot('golden/help.txt');
    for (const { name } of shown) expect(stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
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
    const { executable } = await import('../helpers/executable.ts');
    const onTerminal = async (env: string) => host.sh(`${env} script -qec '${executable} help' /dev/null`);
    expect(await onTerminal('TERM=xterm')).toContain('\u001b[');
    expect(await onTerminal('TERM=xterm NO_COLOR=1')).not.toContain('\u001b[');
    expect((await drawbridge(host, ['help'], { env: { TERM: 'xterm' } })).stdout).not.toContain('\u001b[');
  });
});

describe('drawbridge completion', () => {
  const complete = `
    eval "$(drawbridge completion bash)"
    offer() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _drawbridge; echo "\${COMPREPLY[*]}"; }`;

  test('completes commands, their second words, options and values in bash', async ({ host }) => {
    const { executable } = await import('../helpers/executable.ts');
    await host.sh(
      `ln -s ${executable} /usr/local/bin/drawbridge; mkdir -p /etc/drawbridge/policies; echo {} > /etc/drawbridge/policies/work.json`,
    );
    const offered = await host.run([
      'bash',
      '-ec',
      `${complete}
      offer drawbridge ex; offer drawbridge policy ''; offer drawbridge graph --format m; offer drawbridge clean --d; offer drawbridge policy show wo`,
    ]);
    expect(offered.split('\n').slice(0, 5)).toEqual(['explain', 'check show diff', 'mermaid', '--dry-run', 'work']);
  });

  test('prints scripts for zsh and fish, and knows no other shell', async ({ host }) => {
    expect((await drawbridge(host, ['completion', 'zsh'])).stdout).toMatch(/^#compdef drawbridge/);
    expect((await drawbridge(host, ['completion', 'fish'])).stdout).toContain("-a 'explain' -d 'Say whether");
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
});
