import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const widest = 120;

/** Files that still have wider comments. The list only shrinks: take out a file when its last one is gone. */
const exceptions: readonly string[] = [
  'src/agent/agent.ts',
  'src/agent/repair/gates.ts',
  'src/cli/clean/firewalls.ts',
  'src/cli/clean/rules.ts',
  'src/cli/explain.ts',
  'src/cli/port.ts',
  'src/cli/uninstall.ts',
  'src/cni/request.ts',
  'src/egress/elements.ts',
  'src/egress/gate.ts',
  'src/egress/layout.ts',
  'src/egress/marks.ts',
  'src/host/firewall/foreign.ts',
  'src/host/ip.ts',
  'src/host/netlink/read.ts',
  'src/host/veth.ts',
  'src/ipam/ranges.ts',
  'src/links/addresses.ts',
  'src/links/bridge.ts',
  'src/links/veth.ts',
  'src/nft/layout.ts',
  'src/plugins/drawbridge/check.ts',
  'src/plugins/drawbridge/conf.ts',
  'src/plugins/drawbridge/del.ts',
  'src/plugins/drawbridge/remove.ts',
  'src/plugins/drop-in/portmap/verbs.ts',
  'src/plugins/egress-policy/enforce.ts',
  'src/plugins/egress-policy/refresh.ts',
  'src/records/commit-all.ts',
  'src/records/gates.ts',
  'src/records/parse.ts',
  'src/records/record.ts',
  'test/links/goldens.ts',
];

test('comments of the sources have at most 120 columns', () => {
  const files = globSync('{src,bench,demo,test}/**/*.ts', { cwd: root, exclude: ['test/.cache/**', 'bench/out/**'] });
  const wide = files.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').some(isWideComment));
  expect(wide.toSorted()).toEqual(exceptions);
});

function isWideComment(line: string): boolean {
  return line.length > widest && /^\s*(?:\/\/|\/\*|\* )/u.test(line);
}
