import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { compilePolicy } from '../../../src/egress/compile.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';
import { declaringCommands } from '../../../src/nft/group.ts';
import { rebuildText } from '../../../src/dataplane/transaction.ts';
import { goldens } from './goldens.ts';

const layout = rebuildText({ groups: [], elements: [] });

describe('the kernel', () => {
  test.each([...goldens.keys()])(
    'takes %s, and what it is listed as; nothing stays of a policy that is removed',
    (name) => {
      const text = readFileSync(new URL(`../../golden/egress/${name}`, import.meta.url), 'utf8');
      const listing = load(name.startsWith('policy-') ? `${layout}${text}` : text);
      expect(listing).toContain('table inet drawbridge');
      if (name.startsWith('policy-')) expect(listing).not.toContain('policy_');
    },
  );

  test('takes the lines of a policy twice in one transaction', () => {
    const add = declaringCommands(
      compilePolicy(
        parsePolicy(
          { allow: ['8.0.0.0/8:443', '8.8.8.8', 'github.com'], deny: ['1.1.1.1:1-9', '::/0:25/tcp'] },
          'egress',
        ),
      ),
    );
    expect(load(`${layout}${[...add, ...add].join('\n')}\n`)).toBe(load(`${layout}${add.join('\n')}\n`));
  });

  test('takes a policy of 5000 entries whole', () => {
    const allow = Array.from(
      { length: 5000 },
      (_, index) => `${20 + (index >> 12)}.${(index >> 4) & 255}.${(index & 15) * 16}.7:${1 + (index % 600)}`,
    );
    const add = declaringCommands(compilePolicy(parsePolicy({ allow }, 'egress')));
    const listed = load(`${layout}${add.join('\n')}\n`);
    expect(new Set(listed.match(/\d+\.\d+\.\d+\.7 \. tcp \. \d+/g)).size).toBe(allow.length);
  });
});

/**
 * Loads text into an empty kernel (a network namespace of its own) and returns what is listed then. That is loaded back
 * besides, as a host does that saves its rules, and has to be listed alike.
 */
function load(text: string): string {
  // Node's pipes are sockets, which nft 1.0.9 does not read.
  const script = `cat | nft -f -; nft list ruleset > /tmp/listed.$$; trap 'rm -f /tmp/listed.$$ /tmp/again.$$' EXIT
    nft flush ruleset; nft -f /tmp/listed.$$; nft list ruleset > /tmp/again.$$; cmp /tmp/listed.$$ /tmp/again.$$; cat /tmp/listed.$$`;
  return execFileSync('unshare', ['--net', 'sh', '-ec', script], {
    input: text,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
}
