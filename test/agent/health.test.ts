import { expect, test } from 'vitest';
import { Health } from '../../src/agent/health.ts';
import type { Log } from '../../src/agent/log.ts';

function rig() {
  const lines: string[] = [];
  const line =
    (level: string) =>
    ({ service, problem }: { service?: string; problem?: string }, msg: string) =>
      void lines.push(`${level} ${service}: ${problem} (${msg})`);
  const health = new Health({ error: line('error'), info: line('info') } as unknown as Log);
  const problems: string[] = [];
  health.add({ name: 'names', start: () => {}, stop: async () => {}, health: () => [...problems] });
  health.add({ name: 'watch', start: () => {}, stop: async () => {}, health: () => [] });
  return { health, lines, problems };
}

test('health logs a problem once while it lasts, and when it is over', () => {
  const { health, lines, problems } = rig();
  health.tell();
  problems.push('no port 53');
  health.tell();
  health.tell();
  problems.pop();
  health.tell();
  expect(lines).toEqual(['error names: no port 53 (problem)', 'info names: no port 53 (problem is over)']);
});

test('health tells each service with what it cannot do now', () => {
  const { health, problems } = rig();
  problems.push('no port 53', 'no disk');
  expect(health.services).toEqual([
    { name: 'names', problems: ['no port 53', 'no disk'] },
    { name: 'watch', problems: [] },
  ]);
});
