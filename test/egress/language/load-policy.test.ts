import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CniError } from '../../../src/cni/errors.ts';
import { loadPolicy, policyFor, policyNames } from '../../../src/egress/load-policy.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';

const nothingAsked = {
  args: new Map<string, string>(),
  labels: new Map<string, string>(),
  annotations: new Map<string, string>(),
};

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drawbridge-policies-'));
  await writeFile(join(folder, 'build.json'), '{ "preset": "registries" }\n');
  await writeFile(join(folder, 'broken.json'), '{\n  "mode": "open",\n}\n');
  await writeFile(join(folder, 'twice.json'), '{ "deny": ["192.0.2.1"],\n  "deny": [] }');
  await writeFile(join(folder, 'typo.json'), '{ "alow": ["192.0.2.1"] }');
  await writeFile(join(folder, 'nested.json'), '{ "policy": "build" }');
  await mkdir(join(folder, 'folder.json'));
  await writeFile(join(folder, 'notes.txt'), '');
});

afterAll(async () => rm(folder, { recursive: true }));

describe('loadPolicy()', () => {
  test('reads the policy of a name', async () => {
    expect((await loadPolicy('build', { folder })).preset).toEqual(['registries']);
  });

  test.each([
    ['broken', 7, 'broken.json): line 2, column 17: the comma before "}" is one too many'],
    ['twice', 7, 'twice.json): line 2, column 3: the key "deny" is there a second time'],
    ['typo', 7, 'typo.json): Invalid "alow": it is not a known key, the nearest one is "allow"'],
    ['nested', 7, 'nested.json): Invalid "policy": it is not a known key'],
    ['missing', 7, 'Cannot find policy "missing": there is no '],
    ['folder', 7, 'folder.json: it is no regular file'],
    ['../build', 7, '"../build" is not the name of a policy'],
  ])('refuses "%s" with code %i', async (name, code, message) => {
    const refusal: unknown = await loadPolicy(name, { folder }).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(CniError);
    expect(refusal).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test('names the policies that there are when one is missing', async () => {
    await expect(loadPolicy('biuld', { folder })).rejects.toMatchObject({
      details: 'There are "broken", "build", "folder", "nested", "twice", "typo"',
    });
  });
});

describe('policyFor()', () => {
  const own = parsePolicy({ mode: 'open' }, '');

  test('is the policy of the network when the container asks for nothing', async () => {
    expect(await policyFor({ policy: own, selectable: ['build'] }, nothingAsked, { folder })).toEqual({ policy: own });
  });

  test('is the named policy of the network', async () => {
    expect(await policyFor({ policy: { named: 'build' }, selectable: [] }, nothingAsked, { folder })).toMatchObject({
      policyName: 'build',
      policy: { preset: ['registries'] },
    });
  });

  test('is what the container asks for when it is selectable', async () => {
    const args = new Map([['EGRESS_POLICY', 'build']]);
    expect(
      await policyFor({ policy: own, selectable: ['build'] }, { ...nothingAsked, args }, { folder }),
    ).toMatchObject({
      policyName: 'build',
    });
  });

  test('refuses what is there but not selectable', async () => {
    const args = new Map([['EGRESS_POLICY', 'build']]);
    await expect(
      policyFor({ policy: own, selectable: [] }, { ...nothingAsked, args }, { folder }),
    ).rejects.toMatchObject({
      code: 7,
    });
  });
});

test('policyNames() is empty when there is no folder', async () => {
  expect(await policyNames(join(folder, 'none'))).toEqual([]);
});
