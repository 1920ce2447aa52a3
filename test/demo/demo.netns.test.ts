import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const demo = join(import.meta.dirname, '../../demo/demo.ts');

/** Anybody but root. */
const nobody = { uid: 65_534, gid: 65_534 };

test('the demo connects, shows and removes its containers as root', () => expectDemo({}));

// A clone below a folder that is root's alone cannot be read by anybody else, whatever the demo does.
test.runIf(canRead(nobody))('the demo does the same without root, in a user namespace', () => expectDemo(nobody));

function expectDemo(identity: { uid?: number; gid?: number }): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [demo], {
    ...identity,
    encoding: 'utf8',
    timeout: 50_000,
    env: { ...process.env, HOME: '/nonexistent', NO_COLOR: '1' },
  });
  expect(stderr).toBe('');
  expect(stdout).toContain('Hello from the container, 192.0.2.2!');
  expect(stdout.match(/reached/g)).toHaveLength(6);
  expect(stdout).toMatch(/tracker\.example\.net \(DNS\).* denied by mode "allowlist"/);
  expect(stdout).toContain('"tracker.example.net:80/tcp"');
  expect(stdout).toContain('"sandbox" asks 203.0.113.30 for other.example.net: refused after');
  expect(stdout).toContain('drawbridge watch: it asks for "other.example.net", which the policy does not allow');
  expect(stdout).toContain('"drawbridge ui" prints the address of a page');
  expect(stdout).toContain('nothing is left');
  expect(status).toBe(0);
}

function canRead(identity: { uid: number; gid: number }): boolean {
  return (
    spawnSync(process.execPath, ['--version'], identity).status === 0 && spawnSync('cat', [demo], identity).status === 0
  );
}
