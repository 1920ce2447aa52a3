import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, makeHost, test } from './host.ts';

describe('makeHost()', () => {
  test('makes a host whose network is not the one of the machine', async ({ host }) => {
    expect(await host.run(['ls', '/sys/class/net'])).toMatch(/^lo$/m);
    expect(await host.run(['cat', '/proc/sys/net/ipv4/ip_forward'])).toBe('0\n');
    await host.run(['ip', 'link', 'add', 'hosttest0', 'type', 'bridge']);
    expect(existsSync('/sys/class/net/hosttest0')).toBe(false);
    expect(existsSync(`/proc/${host.pid}/ns/net`)).toBe(true);
  });

  test('keeps what is written to its folders from the machine', async ({ host }) => {
    await host.sh(
      'for d in /etc /etc/cni/net.d /etc/drawbridge /run /var/lib /opt /usr/local; do echo x > $d/drawbridge-host-test; done',
    );
    expect(
      ['/etc', '/run', '/var/lib', '/opt', '/usr/local'].filter((folder) =>
        existsSync(`${folder}/drawbridge-host-test`),
      ),
    ).toEqual([]);
  });

  test('ends every process of the host when it is disposed', async () => {
    const host = await makeHost();
    await host.spawn(['sleep', '1234.5']);
    await host.dispose();
    expect(existsSync(`/proc/${host.pid}`)).toBe(false);
    await expect(host.run(['true'])).rejects.toThrow();
  });
});

describe('exec()', () => {
  test('passes input, environment and exit status', async ({ host }) => {
    expect(await host.exec(['sh', '-c', 'cat; echo "$A" >&2; exit 3'], { input: 'in', env: { A: 'b' } })).toMatchObject(
      { code: 3, stdout: 'in', stderr: 'b\n' },
    );
  });

  test('kills a program that takes longer than it may', async ({ host }) => {
    expect(await host.exec(['sleep', '5'], { timeout: 50 })).toMatchObject({ code: -9, timedOut: true });
  });
});

describe('spawn()', () => {
  test('runs a program until it is stopped', async ({ host }) => {
    const daemon = await host.spawn(['sh', '-c', 'echo started; exec sleep 100']);
    expect(await daemon.running()).toBe(true);
    expect(await daemon.stop()).toEqual({ code: -15 });
    expect(await host.run(['cat', daemon.log])).toBe('started\n');
  });
});

describe('container()', () => {
  test('makes a namespace that programs of the host find by its path', async ({ host }) => {
    const container = await host.container();
    const inode = (await host.run(['nsenter', `--net=${container.netns}`, 'readlink', '/proc/self/ns/net'])).trim();
    expect(inode).toBe(`net:[${container.inode}]`);
    expect((await container.exec(['readlink', '/proc/self/ns/net'])).stdout.trim()).toBe(inode);
    await container.remove();
    expect(await host.run(['ls', '/run/netns'])).toBe('');
  });
});

describe('fetch()', () => {
  test.for(['tcp', 'udp'] as const)(
    'brings the answer of a %s server outside, by both families',
    async (proto, { host }) => {
      const outside = await host.outside();
      await outside.address('8.8.8.8', '2001:4860:4860::8888');
      const server = await host.serve(outside, { proto, reply: 'hello {peer}' });
      expect(await host.fetch(host, '8.8.8.8', server.port, { proto })).toBe('hello 192.0.2.1');
      expect(await host.fetch(host, '2001:4860:4860::8888', server.port, { proto })).toBe('hello 2001:db8:ffff::1');
      expect(await server.peers()).toEqual(['192.0.2.1', '2001:db8:ffff::1']);
      await server.close();
      expect(await host.fetch(host, '8.8.8.8', server.port, { proto })).toBe('refused');
    },
  );

  test('tells a refused, an unreachable and a silent address apart', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.run(['nft', '-f', '-'], {
      where: outside,
      input:
        'table inet t { chain i { type filter hook input priority 0; tcp dport 2 reject with icmpx admin-prohibited; tcp dport 3 drop; }; }',
    });
    expect(await host.fetch(host, '8.8.8.8', 1)).toBe('refused');
    expect(await host.fetch(host, '8.8.8.8', 2)).toBe('unreachable');
    expect(await host.fetch(host, '8.8.8.8', 3, { timeout: 50 })).toBe('timeout');
  });
});

describe('ping()', () => {
  test('gets an answer by both families', async ({ host }) => {
    const outside = await host.outside();
    expect(await host.ping(host, outside.v4)).toBe('answer');
    expect(await host.ping(host, outside.v6)).toBe('answer');
  });
});

describe('leftovers()', () => {
  test('is empty for a host that was not touched', async ({ host }) => {
    await host.outside();
    expect(await host.leftovers()).toEqual([]);
  });

  test('names links, rules, leases and records', async ({ host }) => {
    await host.sh(`
      ip link add veth9 type bridge
      nft add table inet drawbridge
      ip rule add pref 90 prohibit
      mkdir -p /var/lib/cni/networks/n /run/drawbridge/attachments
      touch /var/lib/cni/networks/n/10.0.0.2 /var/lib/cni/networks/n/lock /run/drawbridge/attachments/a.json
      iptables-legacy -A FORWARD -j DROP
      iptables-nft -A FORWARD -j DROP`);
    expect(await host.leftovers({ allow: [/iptables-legacy \*/, /iptables-legacy :/] })).toEqual([
      '+ file /run/drawbridge/attachments/a.json',
      '+ ip rule 90:	from all prohibit',
      '+ iptables-legacy -A FORWARD -j DROP',
      '+ lease /var/lib/cni/networks/n/10.0.0.2',
      '+ link veth9',
      '+ nft table inet drawbridge',
      '+ nft table ip filter',
      '+ nft table ip filter: chain FORWARD {',
      '+ nft table ip filter: counter drop',
      '+ nft table ip filter: type filter hook forward priority filter; policy accept;',
    ]);
  });
});

describe('cni()', () => {
  test('gives the plugin the environment of the specification and nothing else', async ({ host }) => {
    await host.sh(`printf '#!/bin/sh\nenv | sort >&2; cat\n' > /usr/local/bin/fake; chmod +x /usr/local/bin/fake`);
    const container = await host.container();
    const { result, stderr } = await host.cni(
      'ADD',
      { type: 'fake' },
      { container, program: '/usr/local/bin/fake', args: 'A=b', path: '/p' },
    );
    expect(result).toEqual({ type: 'fake' });
    expect(stderr.split('\n').filter((line) => line.startsWith('CNI_'))).toEqual([
      'CNI_ARGS=A=b',
      'CNI_COMMAND=ADD',
      'CNI_CONTAINERID=c1',
      'CNI_IFNAME=eth0',
      'CNI_NETNS=/run/netns/c1',
      'CNI_PATH=/p',
    ]);
  });
});

describe('addChain()', () => {
  test('passes results along, and delChain() hands the last one to every plugin in reverse', async ({ host }) => {
    const log = '/run/chain.log';
    await host.sh(
      `printf '#!/bin/sh\ncat > /run/in; (echo "$CNI_COMMAND $(cat /run/in)") >> ${log}; [ $CNI_COMMAND != ADD ] || echo "{\\"cniVersion\\":\\"1.0.0\\",\\"n\\":\\"$(md5sum < /run/in | cut -c1-4)\\"}"\n' > /usr/local/bin/fake; chmod +x /usr/local/bin/fake`,
    );
    const conflist = {
      cniVersion: '1.0.0',
      name: 'net',
      plugins: [{ type: 'a', capabilities: { mac: true } }, { type: 'b' }],
    };
    const container = await host.container();
    const cni = host.cni.bind(host);
    host.cni = (verb, conf, options) => cni(verb, conf, { ...options, program: '/usr/local/bin/fake' });
    const { result } = await host.addChain(conflist, {
      container,
      runtimeConfig: { mac: '02:00:00:00:00:01', ips: [] },
    });
    await host.delChain(conflist, { container });
    const calls = (await host.run(['cat', log]))
      .trim()
      .split('\n')
      .map((line) => ({ verb: line.slice(0, 3), ...JSON.parse(line.slice(4)) }));
    expect(calls.map(({ verb, type }) => `${verb} ${type}`)).toEqual(['ADD a', 'ADD b', 'DEL b', 'DEL a']);
    expect(calls[0]).toMatchObject({ name: 'net', cniVersion: '1.0.0', runtimeConfig: { mac: '02:00:00:00:00:01' } });
    expect(calls[1].prevResult).toBeDefined();
    expect(calls[1].runtimeConfig).toBeUndefined();
    expect([calls[2].prevResult, calls[3].prevResult]).toEqual([result, result]);
  });
});

test('the machine has no namespace or mount of a host when all are disposed', () => {
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toMatch(/\/run\/netns/);
});
