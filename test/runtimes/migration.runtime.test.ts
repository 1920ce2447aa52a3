import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dropIns } from '../../src/plugins/drop-in/plugins.ts';
import { executable } from '../helpers/executable.ts';
import { leftBehind, makeContainerdMachine, netnsOf, type ContainerdMachine } from './containerd.ts';
import { imageName } from './image.ts';
import { pluginFolder, until } from './machine.ts';
import { client, debian, version } from './tools.ts';

const reference = '/usr/lib/cni';
const names = Object.keys(dropIns);

/** The procedure, word for word as docs/migration.md has it. */
const procedure = {
  there: 'drawbridge install --drop-in --replace',
  oldRules: `for family in iptables ip6tables; do $family-save | grep -vE '(^:| -j )CNI-|^-A CNI-' | $family-restore; done`,
  back: 'for kept in /opt/cni/bin/*.before-drawbridge; do mv -fT "$kept" "${kept%.before-drawbridge}"; done',
  orphans: 'drawbridge clean --orphans',
  away: 'drawbridge uninstall',
};
const request = { send: 'GET / HTTP/1.0\r\n\r\n' };
/** A client that connects before the move and asks after it. */
const heldConnection = `
import os, socket, time
client = socket.create_connection(('192.0.2.1', 8081))
open('/run/held', 'w').close()
while not os.path.exists('/run/go'): time.sleep(0.05)
client.send(b'GET / HTTP/1.0\\r\\n\\r\\n')
answer = client.recv(1000)
with open('/run/said', 'wb') as file: file.write(answer)
`;

/** iptables never removes a table that it made. */
const emptyTables = [/nft table ip6? (?:nat|filter)(?:$|: type |: chain [A-Z]+ \{)/];
const isHere = debian('containerd') !== undefined && client('nerdctl') !== undefined && existsSync(reference);

describe.skipIf(!isHere)(
  `nerdctl ${version('nerdctl')} on a host that moves between the reference and drawbridge`,
  () => {
    let machine: ContainerdMachine;
    const nerdctl = async (...args: string[]) => (await machine.run(['nerdctl', ...args])).trim();
    const run = async (name: string, port: number) =>
      nerdctl(
        'run',
        '-d',
        '--pull=never',
        '--name',
        name,
        '-p',
        `${port}:80`,
        imageName,
        '/bin/httpd',
        '-f',
        '-h',
        '/www',
      );
    const served = async (port: number) =>
      until(
        `port ${port} answers`,
        async () => (await machine.host.fetch(machine.outside, '192.0.2.1', port, request)).includes('inside'),
        5,
      );
    const address = async (name: string) => nerdctl('inspect', '--format', '{{.NetworkSettings.IPAddress}}', name);
    const fromInside = async (name: string, where: string) =>
      machine.host.fetch(netnsOf(await nerdctl('inspect', '--format', '{{.State.Pid}}', name)), where, 80, request);

    const inHost = (file: string) => `/proc/${machine.host.pid}/root${file}`;

    beforeAll(async () => {
      machine = await makeContainerdMachine();
      // A host of the reference: its files, and none of ours. Packages are mounted over /usr, for reading.
      await machine.sh(`
        mount -t tmpfs tmpfs /usr/local/sbin
        rm -f ${pluginFolder}/*
        cp ${names.map((name) => `${reference}/${name}`).join(' ')} ${pluginFolder}`);
      await machine.host.takeBaseline();
    });
    afterAll(async () => machine?.[Symbol.asyncDispose]());

    test('to drawbridge: containers that run keep addresses, ports and connections, new ones get others; all can be removed, and the old rules', async () => {
      await run('old', 8081);
      await served(8081);
      const before = await address('old');
      const held = await machine.host.spawn(['python3', '-c', heldConnection], { where: machine.outside });
      await until('the connection stands', async () => existsSync(inHost('/run/held')), 5);

      await machine.sh(`ln -s ${executable} /run/tools/drawbridge; ${procedure.there}`);
      await run('new', 8082);
      await served(8081);
      await served(8082);
      expect(await address('old')).toBe(before);
      expect(await address('new')).not.toBe(before);
      expect(await fromInside('old', '8.8.8.8')).toBe('hello 192.0.2.1');
      expect(await fromInside('new', '8.8.8.8')).toBe('hello 192.0.2.1');
      expect(await fromInside('new', before)).toContain('inside');
      await machine.sh('touch /run/go');
      await until('the connection ends', async () => !(await held.running()), 5);
      expect(readFileSync(inHost('/run/said'), 'utf8')).toContain('200 OK');
      await nerdctl('rm', '-f', 'old');
      await nerdctl('rm', '-f', 'new');
      // Of its own, the reference would have removed these; now they go with the last container that it made.
      await machine.sh(procedure.oldRules);
      expect(await machine.sh('iptables-save; ip6tables-save')).not.toContain('CNI-');
      expect(await leftBehind(machine, [...emptyTables, /install\.json$/])).toEqual([]);
    });

    test('and back to the reference: containers that run keep their ports; `drawbridge clean --orphans` and `uninstall` leave nothing of drawbridge', async () => {
      await run('new', 8082);
      await served(8082);
      await machine.sh(procedure.back);
      await run('old', 8081);
      await served(8081);
      await served(8082);
      await nerdctl('rm', '-f', 'new', 'old');
      expect(await machine.sh(procedure.orphans)).toContain('Removed 1 of 1 leftover.');
      await machine.sh(procedure.oldRules);
      await machine.sh(procedure.away);
      // The reference made its bridge, and takes none away.
      expect(await machine.host.leftovers({ allow: [...emptyTables, /link nerdctl0$/] })).toEqual([]);
      const files = await machine.sh(`cd ${pluginFolder}; sha256sum *; cd ${reference}; sha256sum ${names.join(' ')}`);
      expect(new Set(files.trim().split('\n')).size).toBe(names.length);
    });

    test('each command of it stands in docs/migration.md, word for word', () => {
      const page = readFileSync(new URL('../../docs/migration.md', import.meta.url), 'utf8');
      const [, section = ''] =
        /^## Moving a host from the reference, and back\n([^]*?)(?:^##|$(?![^]))/m.exec(page) ?? [];
      expect(Object.values(procedure).filter((command) => !section.includes(`\`${command}\``))).toEqual([]);
    });
  },
);
