import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

test("the agent's log is JSON that steers no terminal, whatever others wrote into it", () => {
  const name = '\u001b[31m\u009b2J\u007f\u202e\n';
  const program = `
    import { openLog } from '${new URL('../../src/agent/log.ts', import.meta.url).href}';
    openLog('info').warn({ name: process.argv[1], err: new Error(process.argv[1]) }, process.argv[1]);`;
  const log = execFileSync('/bin/sh', [
    '-c',
    'exec "$0" "$@" 2>&1',
    process.execPath,
    '--input-type=module',
    '--eval',
    program,
    '--',
    name,
  ]).toString();
  expect(log).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  const lines = log.trim().split('\n');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ msg: name, name });
});
