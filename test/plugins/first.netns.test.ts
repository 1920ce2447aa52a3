import { readFileSync } from 'node:fs';
import { test, expect } from '../helpers/host.ts';
import type { Conflist } from '../helpers/host.ts';

const read = (name: string) => JSON.parse(readFileSync(new URL(`../../conf/${name}`, import.meta.url), 'utf8')) as Conflist;
const kept = [/bridges\/drawbridge/, /link drawbridge\d/, /boot\//];

for (const name of ['20-interface-only.conflist', '10-drawbridge.conflist', '30-one-process.conflist']) {
test(`${name} connects a container`, async ({ host }) => {
  const conflist = read(name);
  const outside = await host.outside();
  await outside.address('8.8.8.8', '10.7.7.7');
  await host.serve(outside, { port: 80, address: '8.8.8.8', reply: 'hello {peer}' });
  await host.serve(outside, { port: 80, address: '10.7.7.7', reply: 'hello {peer}' });
  await host.takeBaseline();
  const c1 = await host.container();
  const added = await host.addChain(conflist, { container: c1, runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80 }] } });
  console.log(added.steps.map(s=>s.ms), added.stderr);
  expect(added.error).toBeUndefined();
  console.log(await host.fetch(c1, '8.8.8.8', 80), await host.fetch(c1, '10.7.7.7', 80));
  await host.serve(c1, { port: 80, reply: 'in {peer}' });
  expect(await host.fetch(outside, '192.0.2.1', 8080)).toBe('in 192.0.2.2');
  const checked = await host.checkChain(conflist, { container: c1 });
  console.log(checked.steps.map(s=>s.ms), checked.error);
  const removed = await host.delChain(conflist, { container: c1 });
  console.log(removed.steps.map(s=>s.ms), removed.error, removed.stderr);
  expect(await host.leftovers({allow: kept})).toEqual([]);
});
}
