import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { loadPolicy, parsePolicyText, policyNames } from '../../../src/egress/load-policy.ts';
import { findPolicyFile } from '../../../src/egress/load-policy-file.ts';
import { decodePolicy, formatOfFile } from '../../../src/egress/policy-source.ts';

const commented = `// who may build
{
  "$schema": "https://example.org/policy.json", /* for editors */
  "allow": ["http.example.org:443"] // "not // this"
}
`;

test('a policy of JSON may have comments and name its schema', async () => {
  expect(await decodePolicy(commented, 'json')).toEqual({ raw: { allow: ['http.example.org:443'] } });
  const policy = await parsePolicyText('{ "allow": ["a.example.org//x"] }', { what: 'it', format: 'json' }).catch(
    String,
  );
  expect(policy).toContain('a.example.org//x');
});

test.each([
  ['// mine\n{\n  "a": 1,\n  "a": 2\n}', 'json', 4, 3, 'a second time'],
  ['{\n  /* mine\n  */ "a": 1,\n}', 'json', 3, 12, 'one too many'],
  ['{ "a": 1 } # mine', 'json', 1, 12, 'there is a comment'],
  ['mode: open\nmode: open\n', 'yaml', 2, 1, 'a second time'],
] as const)('the place of what is wrong in %j is that of the file', async (text, format, line, column, problem) => {
  expect(await decodePolicy(text, format)).toEqual({
    problem: { line, column, problem: expect.stringContaining(problem) },
  });
});

test('a policy is NAME.json or NAME.yaml, and two files of one name are an error', async () => {
  const folder = mkdtempSync(`${tmpdir()}/policies-`);
  try {
    writeFileSync(`${folder}/one.yaml`, 'allow:\n  - 8.8.8.8:443   # resolver\n');
    writeFileSync(`${folder}/two.json`, '{}');
    expect(await policyNames(folder)).toEqual(['one', 'two']);
    expect(await loadPolicy('one', { folder })).toMatchObject({ mode: 'allowlist', allow: [{ prefix: '8.8.8.8/32' }] });
    writeFileSync(`${folder}/one.json`, '{}');
    await expect(loadPolicy('one', { folder })).rejects.toThrow(
      /Cannot tell which policy "one" is: there are ".*one\.json" and/,
    );
    expect(await policyNames(folder)).toEqual(['one', 'two']);
    expect(findPolicyFile('none', folder)).toBeUndefined();
    expect(['a.yaml', 'a.yml', 'a.json', '-'].map(formatOfFile)).toEqual(['yaml', 'yaml', 'json', 'json']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
