import fc from 'fast-check';
import { attach, drawbridge, schemaErrors, shipped, withPolicy } from './cli.ts';
import { startDns } from '../helpers/dns.ts';
import { randomPolicy } from '../egress/random-policy.ts';
import { startAgent } from '../agent/process/agent.ts';
import { makeHost } from '../helpers/private-host.ts';
import { describe, expect, test, type Container, type Host } from '../helpers/host.ts';

async function writePolicy(host: Host, name: string, policy: object): Promise<void> {
  await host.sh(`mkdir -p /etc/drawbridge/policies; cat > /etc/drawbridge/policies/${name}.json`, {
    input: `${JSON.stringify(policy, null, 2)}\n`,
  });
}

describe('drawbridge explain', () => {
  test('answers yes with status 0, no with status 1, and names rule and reason', async ({ host }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'web0');
    const yes = await drawbridge(host, ['explain', 'web0', '8.8.8.8', '--json']);
    expect(schemaErrors('explain', yes.json)).toEqual([]);
    expect(yes).toMatchObject({
      code: 0,
      json: {
        verdict: 'allow',
        rule: 'mode "restricted"',
        destination: '8.8.8.8:443/tcp',
        addresses: [{ address: '8.8.8.8', verdict: 'allow' }],
      },
    });
    const no = await drawbridge(host, ['explain', 'web0', '10.7.7.7:5432', '--json']);
    expect(schemaErrors('explain', no.json)).toEqual([]);
    expect(no).toMatchObject({
      code: 1,
      json: { verdict: 'deny', rule: 'private', advice: 'add "10.7.7.7:5432" to "allowPrivate"' },
    });
    const { stdout } = await drawbridge(host, ['explain', '10.88.0.2', '10.7.7.7:5432']);
    await expect(stdout).toMatchFileSnapshot('golden/explain-denied.txt');
  });

  test('says with status 3 that it cannot tell where a name has no address for want of an answer', async ({ host }) => {
    await host.outside();
    const dns = await startDns(host, { 'up.example.org': { A: ['8.8.8.8'] }, 'ill.example.org': { rcode: 2 } });
    const upstream = { dns: { upstream: [dns.upstream] } };
    await attach(host, withPolicy({ ...upstream, mode: 'restricted' }), 'free');
    await attach(host, withPolicy({ ...upstream, mode: 'allowlist', allow: ['ill.example.org:443'] }), 'bound');
    const ask = async (...words: string[]) => drawbridge(host, ['explain', ...words]);
    expect(await ask('free', 'up.example.org')).toMatchObject({ code: 0 });
    for (const container of ['free', 'bound'])
      expect(await ask(container, 'ill.example.org')).toMatchObject({
        code: 3,
        stderr: expect.stringMatching(/no address of it is known[^]*SERVFAIL/),
      });
    // A name that does not exist is an answer, and so is a policy that does not list it.
    expect(await ask('free', 'none.example.org')).toMatchObject({ code: 1 });
    expect(await ask('bound', 'other.example.org')).toMatchObject({ code: 1 });
  });

  test('names file, line and column of the entry that decides', async ({ host }) => {
    await host.outside();
    await writePolicy(host, 'work', {
      mode: 'allowlist',
      allow: ['8.8.8.8:443', '203.0.113.0/24:5432/tcp'],
      deny: ['203.0.113.9'],
    });
    await attach(host, withPolicy({ policy: 'work' }), 'job');
    const place = async (destination: string) =>
      (await drawbridge(host, ['explain', 'job', destination, '--json'])).json;
    expect(await place('203.0.113.7:5432')).toMatchObject({
      verdict: 'allow',
      rule: 'allow "203.0.113.0/24:5432/tcp"',
      place: { file: '/etc/drawbridge/policies/work.json', line: 5, column: 5 },
    });
    expect(await place('203.0.113.9:5432')).toMatchObject({ verdict: 'deny', place: { line: 8, column: 5 } });
    expect(await place('8.8.4.4')).toMatchObject({
      verdict: 'deny',
      rule: 'mode "allowlist"',
      place: { line: 2, column: 3 },
    });
  });

  test('finds an inline policy in the configuration of its network', async ({ host }) => {
    await host.outside();
    await host.sh('mkdir -p /etc/cni/net.d; cat > /etc/cni/net.d/10.conflist', {
      input: JSON.stringify(withPolicy({ deny: ['8.8.8.8'] }), null, 2),
    });
    await attach(host, withPolicy({ deny: ['8.8.8.8'] }), 'job');
    const { json } = await drawbridge(host, ['explain', 'job', '8.8.8.8', '--json']);
    expect(json).toMatchObject({
      verdict: 'deny',
      place: { file: '/etc/cni/net.d/10.conflist', line: expect.any(Number) },
    });
    expect(json.place.line).toBeGreaterThan(10);
  });

  test('tells which addresses of a name are open, and for how long', async ({ host }) => {
    await host.outside();
    const policy = { mode: 'allowlist', allow: ['api.example.org:443'] };
    const known = {
      version: 1,
      name: 'api.example.org',
      resolvedAt: Date.now(),
      addresses: [{ address: '203.0.113.7', ttl: 300, seenAt: Date.now() }],
    };
    await host.sh('mkdir -p /var/lib/drawbridge/names; cat > /var/lib/drawbridge/names/api.example.org.json', {
      input: JSON.stringify(known),
    });
    await attach(host, withPolicy(policy), 'job');
    const { code, json } = await drawbridge(host, ['explain', 'job', 'api.example.org', '--json']);
    expect(schemaErrors('explain', json)).toEqual([]);
    expect(code).toBe(0);
    expect(json).toMatchObject({
      verdict: 'allow',
      rule: 'allow "api.example.org:443"',
      addresses: [{ address: '203.0.113.7', open: [{ name: 'api.example.org', seconds: expect.any(Number) }] }],
    });
    expect(json.addresses[0].open[0].seconds).toBeGreaterThan(1500);
    expect((await drawbridge(host, ['explain', 'job', '203.0.113.7', '--json'])).json).toMatchObject({
      verdict: 'allow',
      rule: 'allow "api.example.org:443"',
    });
    expect((await drawbridge(host, ['explain', 'job', 'api.example.org:80', '--json'])).json).toMatchObject({
      verdict: 'deny',
      rule: 'mode "allowlist"',
    });
    await host.sh('nft flush set inet drawbridge $(nft list sets inet | grep -o "policy_.*names4_any_443")');
    expect((await drawbridge(host, ['explain', 'job', 'api.example.org', '--json'])).json).toMatchObject({
      verdict: 'deny',
      rule: 'allow "api.example.org:443"',
      reason: expect.stringContaining('drawbridge refresh'),
    });
  });

  test('names the foreign rule that would stop it anyway, and the command that mends it', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    const web = await attach(host, shipped('10-drawbridge'), 'web0');
    await host.sh('iptables-nft -I FORWARD -j REJECT');
    const { code, json } = await drawbridge(host, ['explain', 'web0', '8.8.8.8:80', '--json']);
    expect({ code, verdict: json.verdict, rule: json.rule }).toEqual({ code: 1, verdict: 'deny', rule: 'firewall' });
    const [obstacle] = json.addresses[0].obstacles;
    expect(obstacle).toMatchObject({ kind: 'firewall', what: expect.stringContaining('-A FORWARD -j REJECT') });
    await host.serve(outside, { port: 80 });
    expect(await host.fetch(web, '8.8.8.8', 80)).not.toBe('192.0.2.1');
    await host.sh(obstacle.remedy);
    expect(await host.fetch(web, '8.8.8.8', 80)).toBe('192.0.2.1');
    expect((await drawbridge(host, ['explain', 'web0', '8.8.8.8:80'])).code).toBe(0);
  });

  test('tells that the host does not forward, has no route, or lost the rules', async ({ host }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'web0');
    const rule = async () => (await drawbridge(host, ['explain', 'web0', '8.8.8.8', '--json'])).json.rule;
    await host.sh('ip route del default');
    expect(await rule()).toBe('route');
    await host.sh('sysctl -qw net.ipv4.ip_forward=0');
    expect(await rule()).toBe('forwarding');
    await host.sh('nft flush ruleset');
    expect(await rule()).toBe('rules');
  });

  test.for(['eth0', 'drawbridge0'])('tells that %s alone does not forward, and how it does', async (name, { host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80 });
    const web = await attach(host, shipped('10-drawbridge'), 'web0');
    await host.sh(`sysctl -qw net.ipv4.conf.${name}.forwarding=0`);
    expect(await host.fetch(web, '8.8.8.8', 80)).not.toBe('192.0.2.1');
    const { json } = await drawbridge(host, ['explain', 'web0', '8.8.8.8:80', '--json']);
    expect(json).toMatchObject({ verdict: 'deny', rule: 'forwarding' });
    const [obstacle] = json.addresses[0].obstacles;
    expect(obstacle.what).toContain(`"${name}"`);
    await host.sh(obstacle.remedy);
    expect(await host.fetch(web, '8.8.8.8', 80)).toBe('192.0.2.1');
    expect((await drawbridge(host, ['explain', 'web0', '8.8.8.8:80'])).code).toBe(0);
  });

  test.for(['eth0', 'drawbridge0'])(
    'says "reaches" over IPv6 where %s alone does not forward it',
    async (name, { host }) => {
      const outside = await host.outside();
      await outside.address('2606:4700::1111');
      await host.serve(outside, { port: 80 });
      const web = await attach(host, shipped('10-drawbridge'), 'web0');
      await host.sh(`sysctl -qw net.ipv6.conf.${name}.forwarding=0`);
      expect(await host.fetch(web, '2606:4700::1111', 80)).toBe('2001:db8:ffff::1');
      expect((await drawbridge(host, ['explain', 'web0', '[2606:4700::1111]:80'])).code).toBe(0);
    },
  );

  test('follows a real packet and leaves no trace of doing so', async ({ host }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'web0');
    const before = await host.run(['nft', 'list', 'tables']);
    const { json } = await drawbridge(host, ['explain', 'web0', '10.7.7.7:80', '--trace', '--json']);
    expect(schemaErrors('explain', json)).toEqual([]);
    expect(json.trace.outcome).toBe('refused');
    expect(json.trace.steps).toContainEqual({
      table: 'inet drawbridge',
      chain: 'egress_out',
      rule: 'iifname . ip saddr vmap @egress4',
      verdict: expect.stringContaining('goto policy_'),
    });
    expect(json.trace.steps.at(-1)).toMatchObject({ chain: 'deny_reject', verdict: 'drop' });
    expect(await host.run(['nft', 'list', 'tables'])).toBe(before);
  });

  test('says that a packet does not leave a container without a route or with its interface down', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80 });
    const web = await attach(host, shipped('10-drawbridge'), 'web0');
    expect(await drawbridge(host, ['explain', 'web0', '8.8.8.8:80'])).toMatchObject({ code: 0 });
    for (const [breaks, kind] of [
      ['ip route del default', 'route'],
      ['ip link set eth0 down', 'link'],
    ] as const) {
      await web.exec(['/bin/sh', '-c', breaks]);
      expect(await host.fetch(web, '8.8.8.8', 80)).not.toBe('192.0.2.1');
      const { code, json } = await drawbridge(host, ['explain', 'web0', '8.8.8.8:80', '--json']);
      expect({ code, schema: schemaErrors('explain', json) }).toEqual({ code: 1, schema: [] });
      expect(json).toMatchObject({ verdict: 'deny', rule: kind });
      for (const { remedy } of json.addresses[0].obstacles) await host.sh(remedy);
      // The kernel takes routes along with an interface that goes down.
      await host.exec(['ip', '-n', 'web0', 'route', 'replace', 'default', 'via', '10.88.0.1']);
      expect(await host.fetch(web, '8.8.8.8', 80)).toBe('192.0.2.1');
    }
  });

  test.each(['ff02::1', '224.0.0.251', '255.255.255.255', '10.89.255.255'])(
    'says of %s that nobody beyond the bridge is reached',
    async (address) => {
      await using host = await makeHost();
      await host.outside();
      await attach(host, shipped('20-interface-only'), 'plain');
      const { code, json } = await drawbridge(host, [
        'explain',
        'plain',
        `${address.includes(':') ? `[${address}]` : address}:53/udp`,
        '--json',
      ]);
      expect({ code, reason: json.reason }).toEqual({
        code: 1,
        reason: expect.stringMatching(/it is a (?:multicast|broadcast) address/),
      });
    },
  );

  test('takes the name of a container as a destination, and knows its published port', async ({ host }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'web0');
    const ports = [{ hostPort: 15_432, containerPort: 5432, protocol: 'tcp' }];
    await attach(host, shipped('10-drawbridge'), 'db', { runtimeConfig: { portMappings: ports } });
    const { code, json, stdout } = await drawbridge(host, ['explain', 'web0', 'db:5432', '--json']);
    expect({ code, stdout: stdout !== '' }).toEqual({ code: 1, stdout: true });
    expect(json).toMatchObject({
      destination: 'db:5432/tcp',
      addresses: [{ address: '10.88.0.3' }, { address: 'fd00:88::3' }],
      rule: 'isolation "container"',
      advice: expect.stringContaining('it is published: ask at port 15432'),
    });
    expect((await drawbridge(host, ['explain', 'web0', 'db:80', '--json'])).json.advice).not.toContain('published');
  });

  test('says of a name that the agent refuses to look up that it is not reached', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 443 });
    const policy = { mode: 'allowlist', allow: ['8.8.8.8:443', 'a.example.org'] };
    await attach(host, withPolicy(policy), 'job');
    await host.sh('echo 8.8.8.8 other.example.org >> /etc/hosts');
    expect((await drawbridge(host, ['explain', 'job', 'other.example.org'])).code).toBe(0);
    const agent = await startAgent(host);
    expect(await drawbridge(host, ['explain', 'job', 'other.example.org', '--json'])).toMatchObject({
      code: 1,
      json: {
        rule: 'dns',
        reason: expect.stringContaining('its lookup is refused: the policy does not name "other.example.org"'),
      },
    });
    expect((await drawbridge(host, ['explain', 'job', '8.8.8.8'])).code).toBe(0);
    await agent.stop();
  });

  test('says what it does not understand, and whom it does not know', async ({ host }) => {
    await attach(host, shipped('10-drawbridge'), 'web0');
    expect(await drawbridge(host, ['explain', 'web0', '8.8.8.8:99999'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('port 99999'),
    });
    expect(await drawbridge(host, ['explain', 'web0'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('a destination is missing'),
    });
    expect(await drawbridge(host, ['explain', 'wev0', '8.8.8.8'])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('Did you mean "web0"'),
    });
  });
});

describe('a sibling whose policy denies the one that asks', () => {
  test('answers by TCP and not by UDP, and explain says so', async ({ host }) => {
    const asker = await attach(host, withPolicy({ mode: 'open', isolation: 'bridge' }), 'asker');
    const denying = withPolicy({ mode: 'open', isolation: 'bridge', deny: ['10.90.0.0/16'] });
    const server = await attach(host, denying, 'server');
    const open = await attach(host, withPolicy({ mode: 'open', isolation: 'bridge' }), 'open');
    const found: Record<string, unknown> = {};
    for (const [name, to, address] of [
      ['server', server, '10.90.0.3'],
      ['open', open, '10.90.0.4'],
    ] as const)
      for (const proto of ['tcp', 'udp'] as const) {
        await host.serve(to, { port: 80, proto, reply: 'here' });
        const { json } = await drawbridge(host, ['explain', 'asker', `${address}:80/${proto}`, '--json']);
        const got = await host.fetch(asker, address, 80, { proto, timeout: json.verdict === 'allow' ? 3000 : 500 });
        found[`${name} ${proto}`] = [json.verdict, got === 'here' ? 'here' : 'nothing'];
      }
    expect(found).toEqual({
      'server tcp': ['allow', 'here'],
      'server udp': ['deny', 'nothing'],
      'open tcp': ['allow', 'here'],
      'open udp': ['allow', 'here'],
    });
  });
});

describe('drawbridge explain and the kernel', () => {
  const address = fc.constantFrom(
    '8.8.8.8',
    '203.0.113.10',
    '10.1.2.3',
    '192.168.7.7',
    '169.254.169.254',
    '100.100.100.200',
    '192.0.2.1',
    '10.90.0.1',
    '10.90.0.3',
    '10.91.0.2',
    '2606:4700::1111',
    'fd00:1::3',
    'fd00:90::1',
    'fd00:90::3',
    '2001:db8:ffff::1',
  );
  const port = fc.constantFrom(53, 80, 443, 8080);
  const protocol = fc.constantFrom('tcp', 'tcp', 'udp');
  const seed = Number(process.env['DRAWBRIDGE_SEED'] ?? 7);
  const destinations = fc.sample(fc.tuple(address, port, protocol), { seed, numRuns: 36 });
  const policies: Record<string, object> = {
    restricted: { allowPrivate: ['10.1.2.3:443/tcp'], deny: ['8.8.8.0/24:53'], hostPorts: ['80/tcp', '53'] },
    allowlist: {
      mode: 'allowlist',
      allow: ['8.8.8.8:443', '[2606:4700::]/32', '203.0.113.0/24:1-100/tcp', '192.0.2.1:8080'],
      isolation: 'bridge',
      hostAccess: 'none',
    },
    open: { mode: 'open', hostAccess: 'all', deny: ['203.0.113.10'] },
  };

  for (const [name, policy] of Object.entries(policies)) {
    test(`agree about random destinations under ${name} (seed ${seed})`, async ({ host }) => {
      const outside = await host.outside();
      await outside.address(
        '8.8.8.8',
        '203.0.113.10',
        '10.1.2.3',
        '192.168.7.7',
        '169.254.169.254',
        '100.100.100.200',
        '2606:4700::1111',
        'fd00:1::3',
      );
      const own = await attach(host, withPolicy(policy), 'own');
      const sibling = await attach(host, withPolicy({ mode: 'open' }), 'sibling', {
        runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80 }] },
      });
      const conflist = withPolicy({ mode: 'open' }, 'other');
      const away = await attach(
        host,
        {
          ...conflist,
          plugins: [{ ...conflist.plugins[0], bridge: 'db9', ipam: { type: 'host-local', subnet: '10.91.0.0/16' } }],
        },
        'away',
      );
      for (const where of [outside, sibling, away, host])
        for (const one of [53, 80, 443, 8080])
          for (const proto of ['tcp', 'udp'] as const) await host.serve(where, { port: one, proto, reply: 'here' });
      const told: Record<string, string> = {};
      const seen: Record<string, string> = {};
      for (const [to, number, proto] of new Map(destinations.map((one) => [one.join(' '), one])).values()) {
        const text = `${to.includes(':') ? `[${to}]` : to}:${number}/${proto}`;
        told[text] = (await drawbridge(host, ['explain', 'own', text, '--json'])).json.verdict;
        seen[text] = (await host.fetch(own, to, number, { proto, timeout: 400 })) === 'here' ? 'allow' : 'deny';
      }
      expect(told).toEqual(seen);
    });
  }

  const isLong = process.env['DRAWBRIDGE_FAULTS'] === 'long';
  const rounds = isLong ? 12 : 1;
  test.for(Array.from({ length: rounds }, (_, round) => seed + round))(
    'agree about random policies of containers on one bridge (seed %i)',
    { timeout: 90_000 },
    async (own, { host }) => {
      const outside = await host.outside();
      await outside.address(
        '8.8.8.8',
        '203.0.113.10',
        '10.1.2.3',
        '192.168.7.7',
        '169.254.169.254',
        '2606:4700::1111',
        'fd00:1::3',
      );
      const name = 'api.example.org';
      const { upstream } = await startDns(
        host,
        { [name]: { A: ['203.0.113.10'], AAAA: ['2606:4700::1111'], ttl: 600 } },
        { where: outside, address: '192.0.2.2', port: 5353 },
      );
      const policy = fc.tuple(
        randomPolicy,
        fc.record(
          {
            isolation: fc.constantFrom('container', 'bridge', 'none'),
            onDeny: fc.constantFrom('reject', 'drop'),
            audit: fc.boolean(),
            ipv6: fc.constantFrom('filter', 'disable'),
          },
          { requiredKeys: ['isolation'] },
        ),
        fc.boolean(),
      );
      const policies = fc.sample(policy, { seed: own, numRuns: 5 }).map(([{ allow, ...raw }, more, isNamed]) => ({
        ...raw,
        ...more,
        dns: { upstream: [upstream] },
        ...(raw.mode === 'allowlist' ? { allow: isNamed ? [...allow, `${name}:443`] : allow } : {}),
      }));
      const containers: Container[] = [];
      for (const [index, one] of policies.entries())
        containers.push(
          await attach(
            host,
            withPolicy(one),
            `c${index}`,
            index === 0 ? { runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80 }] } } : {},
          ),
        );
      for (const where of [outside, host, ...containers])
        for (const one of [53, 80, 443, 8080])
          for (const proto of ['tcp', 'udp'] as const) await host.serve(where, { port: one, proto, reply: 'here' });
      const siblings = (await drawbridge(host, ['list', '--json'])).json.flatMap(({ ips }: { ips: string[] }) =>
        ips.map((ip) => ip.replace(/\/.*/, '')),
      );
      const targets = fc.tuple(
        fc.constantFrom(
          '8.8.8.8',
          '203.0.113.10',
          '10.1.2.3',
          '192.168.7.7',
          '169.254.169.254',
          '2606:4700::1111',
          'fd00:1::3',
          '10.90.0.1',
          '192.0.2.1',
          'fd00:90::1',
          ...siblings,
        ),
        port,
        protocol,
      );
      const told: Record<string, string> = {};
      const seen: Record<string, string> = {};
      for (const [index, container] of containers.entries()) {
        for (const [to, number, proto] of fc.sample(targets, { seed: own + index, numRuns: 10 })) {
          const text = `${to.includes(':') ? `[${to}]` : to}:${number}/${proto}`;
          const { json } = await drawbridge(host, ['explain', container.name, text, '--json']);
          told[`${container.name} ${text}`] = json.verdict;
          // A busy machine may be late, but what is allowed comes.
          const patience = json.verdict === 'allow' ? 3000 : 300;
          seen[`${container.name} ${text}`] =
            (await host.fetch(container, to, number, { proto, timeout: patience })) === 'here' ? 'allow' : 'deny';
        }
        const byName = await drawbridge(host, ['explain', container.name, name, '--json']);
        // Each address of a name on its own; a family that the container lacks is none of them.
        told[`${container.name} ${name}`] = byName.json.addresses.find(
          ({ address }: { address: string }) => address === '203.0.113.10',
        )?.verdict;
        seen[`${container.name} ${name}`] =
          (await host.fetch(container, '203.0.113.10', 443, { timeout: 3000 })) === 'here' ? 'allow' : 'deny';
      }
      expect(told, JSON.stringify(policies)).toEqual(seen);
    },
  );
});
