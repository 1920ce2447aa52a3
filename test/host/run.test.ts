import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { CommandError, run } from '../../src/host/run.ts';

afterEach(() => vi.unstubAllEnvs());

/** A plugin run starts its children itself; everything else has execa do it. Nobody may notice. */
describe.each([
  ['a plugin', 'ADD'],
  ['the command line', ''],
])('run() of %s', (_who, command) => {
  const start: typeof run = async (...args) => {
    vi.stubEnv('CNI_COMMAND', command);
    return run(...args);
  };
  const failure = async (...args: Parameters<typeof run>): Promise<CommandError> => {
    const error: unknown = await start(...args).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CommandError);
    return error as CommandError;
  };

  test('gives the input and returns both outputs as they are', async () => {
    expect(await start('sh', ['-c', 'cat; echo oops >&2'], { input: 'eins\n' })).toEqual({
      stdout: 'eins\n',
      stderr: 'oops\n',
    });
  });

  test('returns long outputs whole', async () => {
    const text = 'ä'.repeat(300_000);
    expect((await start('cat', [], { input: text })).stdout).toBe(text);
  });

  test('closes stdin when there is no input', async () => {
    expect((await start('cat', [])).stdout).toBe('');
  });

  test('does not mind a program that leaves its input unread', async () => {
    expect((await start('true', [], { input: 'x'.repeat(1_000_000) })).stdout).toBe('');
  });

  test('sets LC_ALL and what is asked for beside the own environment', async () => {
    vi.stubEnv('INHERITED', 'yes');
    expect((await start('sh', ['-c', 'echo $LC_ALL $INHERITED $ASKED'], { env: { ASKED: 'too' } })).stdout).toBe(
      'C yes too\n',
    );
  });

  test('names command and exit status when the program fails', async () => {
    const error = await failure('sh', ['-c', 'echo out; echo why >&2; exit 3']);
    expect(error).toMatchObject({ exitCode: 3, stdout: 'out\n', stderr: 'why\n', details: 'why' });
    expect(error.message).toMatch(/^Cannot run "sh -c .*": exit status 3: why$/);
  });

  test('names the signal that killed the program', async () => {
    const error = await failure('sh', ['-c', 'kill -9 $$']);
    expect(error.exitCode).toBeUndefined();
    expect(error.message).toMatch(/it was killed by SIGKILL$/);
  });

  test('kills a program at its deadline', async () => {
    const error = await failure('sh', ['-c', 'exec sleep 5'], { deadline: 200 });
    expect(error.message).toMatch(/it did not end within 200 ms$/);
    expect(error.exitCode).toBeUndefined();
  });

  test.runIf(command === 'ADD')('does not wait for what a killed program started', async () => {
    const begin = performance.now();
    await failure('sh', ['-c', 'sleep 5 & wait'], { deadline: 200 });
    expect(performance.now() - begin).toBeLessThan(4000);
  });

  test('says where it looked for a program that is not installed', async () => {
    expect((await failure('no-such-program', [])).message).toMatch(
      /^Cannot run "no-such-program": it is not installed in .*\/usr\/sbin/,
    );
  });

  test('passes over itself in PATH under the name of another program', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'path-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    symlinkSync(process.execPath, join(folder, 'cat'));
    vi.stubEnv('PATH', folder);
    expect((await start('cat', ['--version'])).stdout).toMatch(/^cat /);
  });

  test('fails for a file that cannot be executed', async () => {
    expect((await failure('/etc/hostname', [])).message).toMatch(/^Cannot run "\/etc\/hostname"/);
  });
});
