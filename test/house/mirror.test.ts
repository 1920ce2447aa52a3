import { existsSync, globSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** Rooms of test/ that are about no room of src/, and what they are about. */
const others = new Set([
  'attacks', // what a container may try
  'bench', // what the picture of the bench shows
  'bundle', // build and release
  'demo',
  'faults', // what may fail, and when
  'firewall', // programs of others
  'golden',
  'helpers',
  'house', // rules of the house
  'microvm', // real guests
  'packages',
  'reporters',
  'runtimes',
  'userlands',
]);

/** Folders whose tests run the whole program in one way. */
const wholes = new Set(['agent/process', 'egress/kernel', 'egress/language', 'plugins/cnitool']);

const folders = globSync('test/**/*.test.ts', { cwd: root, exclude: ['test/.cache'] }).map((file) =>
  dirname(file).slice('test/'.length),
);

test('each folder with tests is about a folder of src of the same place, or is named here', () => {
  const strangers = [...new Set(folders)].filter(
    (folder) =>
      !others.has(folder.split('/')[0] ?? '') && !wholes.has(folder) && !existsSync(join(root, 'src', folder)),
  );
  expect(strangers).toEqual([]);
});

test('a unit test that has the name of a file of src stands where that file does', () => {
  const files = globSync('src/**/*.ts', { cwd: root }).map((file) => file.slice('src/'.length));
  const misplaced = globSync('test/{agent,cli,cni,dataplane,host,ip,ipam,links,records,repair,text}/**/*.test.ts', {
    cwd: root,
  })
    .map((file) => file.slice('test/'.length))
    .filter((file) => !file.endsWith('.netns.test.ts') && !wholes.has(dirname(file)))
    .filter((file) => {
      const name = `${basename(file, '.test.ts')}.ts`;
      const same = files.filter((one) => basename(one) === name && one.split('/')[0] === file.split('/')[0]);
      return same.length > 0 && !same.includes(join(dirname(file), name));
    });
  expect(misplaced).toEqual([]);
});
