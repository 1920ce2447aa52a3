import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { conflist } from '../../src/cli/install/files.ts';
import { unitText } from '../../src/cli/install/unit.ts';

const shipped = (name: string): string => readFileSync(new URL(`../../conf/${name}`, import.meta.url), 'utf8');

test('install writes the network and the unit that are in conf/', () => {
  expect(conflist).toBe(shipped('10-drawbridge.conflist'));
  expect(unitText('/opt/cni/bin')).toBe(shipped('drawbridge-agent.service'));
});
