/**
 * A private host for tests: its own network, mounts and processes, with nothing of the machine's in it.
 *
 *   import { test, expect } from '../helpers/host.ts';      // test has the fixture `host`
 *
 *   test('a container reaches the internet', async ({ host }) => {
 *     const outside = await host.outside();                 // eth0, default routes, the "internet" behind it
 *     await outside.address('8.8.8.8');
 *     await host.serve(outside, { port: 80, address: '8.8.8.8', reply: 'hello {peer}' });
 *     const c1 = await host.container();
 *     const added = await host.addChain(conflist, { container: c1 });
 *     expect(added.error).toBeUndefined();
 *     expect(await host.fetch(c1, '8.8.8.8', 80)).toBe('hello 192.0.2.1');
 *     await host.delChain(conflist, { container: c1 });
 *     expect(await host.leftovers()).toEqual([]);
 *   });
 *
 * What the host has of its own: /proc, /sys, /run, /var/lib, /var/log and /var/cache (empty), and
 * writable copies of /etc, /opt and /usr/local that no one else sees. Everything else is the machine's:
 * do not write there. Forwarding is off and no firewall is loaded, as after a boot.
 *
 * `where` is the host itself, a container or the outside. fetch() answers with the text that came, or with
 * one of the words "refused" (RST or port unreachable), "unreachable" (any other ICMP error, or a local
 * denial) and "timeout". A server's `reply` may hold `{peer}`, the client's address as the server saw it.
 *
 * leftovers() compares with the host as it was made (outside() counts as part of it), or as it was at the last
 * takeBaseline(): "+ link veth…", "+ nft table inet drawbridge: …", "- iptables-legacy …". Lines that match
 * `allow` are left out. The files "lock" and "last_reserved_ip.*" of host-local are no leases.
 *
 * dispose() ends the host with everything in it; so does the end of the test process.
 */
import { test as base } from 'vitest';
import { makeHost, type Host } from './private-host.ts';

export * from './private-host.ts';
export type { ChainOptions, CniOptions, CniResult, Conflist, Json } from './runtime.ts';
export { describe, expect } from 'vitest';

/** vitest's `test` with a private host for each test that asks for one. */
export const test = base.extend<{ host: Host }>({
  // eslint-disable-next-line no-empty-pattern
  host: async ({}, use) => {
    await using host = await makeHost();
    await use(host);
  },
});
