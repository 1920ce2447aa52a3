import { startDns } from '../helpers/dns.ts';
import { attach, drawbridge, schemaErrors, shipped, withPolicy } from './cli.ts';
import { describe, expect, test, type Conflist, type Host, type Json } from '../helpers/host.ts';

async function write(host: Host, file: string, value: unknown): Promise<void> {
  const text = typeof value === 'string' ? value : `${JSON.stringify(value, null, 2)}\n`;
  await host.sh(`mkdir -p $(dirname ${file}); cat > ${file}`, { input: text });
}

function interfaceOf(list: Conflist, changes: Json): unknown {
  return { ...list, plugins: list.plugins.map((plugin, index) => (index === 0 ? { ...plugin, ...changes } : plugin)) };
}

function policyOf(list: Conflist, policy: Json, type = 'egress-policy'): unknown {
  return { ...list, plugins: [list.plugins[0], { type, ...policy }] };
}

function pool(range: Json): Json {
  return { type: 'host-local', ranges: [[range]] };
}

const wrong = `{
  "mod": "allowlist",
  "allow": ["8.8.8.8:443", "exa mple.org", "10.0.0.1", "*.com"],
  "hostPorts": ["53", 99999],
  "isolaton": "bridge"
}
`;

describe('drawbridge policy check', () => {
  test('names every error with line, column and the nearest key', async ({ host }) => {
    await write(host, '/etc/bad.json', wrong);
    const { code, stdout } = await drawbridge(host, ['policy', 'check', '/etc/bad.json']);
    expect(code).toBe(1);
    await expect(stdout).toMatchFileSnapshot('golden/policy-check.txt');
    const { json } = await drawbridge(host, ['policy', 'check', '--json', '/etc/bad.json']);
    expect(schemaErrors('policy-check', json)).toEqual([]);
    expect(json.map(({ line, column }: { line: number; column: number }) => `${line}:${column}`)).toEqual([
      '2:3',
      '3:28',
      '3:56',
      '4:23',
      '5:3',
    ]);
    expect(json[0].message).toContain('the nearest one is "mode"');
    expect(json[4].message).toContain('the nearest one is "isolation"');
  });

  test('names the place at which a file is not JSON, or has a key twice', async ({ host }) => {
    await write(host, '/etc/a.json', '{\n  "mode": "open",\n  "mode": "restricted"\n}');
    await write(host, '/etc/b.json', '{\n  "deny": [,]\n}');
    expect((await drawbridge(host, ['policy', 'check', '--json', '/etc/a.json', '/etc/b.json'])).json).toMatchObject([
      { file: '/etc/a.json', line: 3, column: 3 },
      { file: '/etc/b.json', line: 2, column: 12 },
    ]);
  });

  test('finds the policy in the configuration of a network', async ({ host }) => {
    await write(host, '/etc/cni/net.d/10.conflist', withPolicy({ mode: 'allowlist', allow: ['github.com:70000'] }));
    const { code, json } = await drawbridge(host, ['policy', 'check', '--json', '/etc/cni/net.d/10.conflist']);
    expect({ code, message: json[0].message }).toEqual({ code: 1, message: expect.stringContaining('allow[0]') });
    expect(json[0].line).toBeGreaterThan(10);
  });

  /** What is changed of the shipped list, the value or key that the error stands at, and what it says. */
  const lists: readonly [string, (list: Conflist) => unknown, string, RegExp][] = [
    ['a subnet /33', (list) => interfaceOf(list, { ipam: pool({ subnet: '10.1.0.0/33' }) }), '"10.1.0.0/33"', /subnet/],
    [
      'a gateway outside of its subnet',
      (list) => interfaceOf(list, { ipam: pool({ subnet: '10.1.0.0/24', gateway: '10.2.0.1' }) }),
      '"10.2.0.1"',
      /gateway/,
    ],
    [
      'a bridge name that is too long',
      (list) => interfaceOf(list, { bridge: 'sixteencharacter' }),
      '"sixteen',
      /bridge/,
    ],
    ['"true" for true', (list) => interfaceOf(list, { ipMasq: 'true' }), '"true"', /"ipMasq": it is "true"/],
    ['a key that is nearly one', (list) => interfaceOf(list, { egres: {} }), '"egres"', /nearest one is "egress"/],
    [
      'a capability that nothing acts on',
      (list) => interfaceOf(list, { capabilities: { bandwidth: true } }),
      '"bandwidth"',
      /"drawbridge" cannot act on it/,
    ],
    [
      '"egress-policy" before the interface',
      (list) => ({ ...list, plugins: list.plugins.toReversed() }),
      '"egress-policy"',
      /first plugin/,
    ],
    ['a policy in both plugins', (list) => interfaceOf(list, { egress: {} }), '"egress-policy"', /two policies/],
    [
      'two policies',
      (list) => ({ ...list, plugins: [...list.plugins, list.plugins[1]] }),
      '"egress-policy"',
      /in the list twice/,
    ],
    [
      'a policy that is not there',
      (list) => policyOf(list, { policy: 'nosuch' }),
      '"nosuch"',
      /Cannot find policy "nosuch"/,
    ],
    [
      'a policy to choose that is not there',
      (list) => policyOf(list, { mode: 'open', selectable: ['nosuch'] }),
      '"nosuch"',
      /Cannot find policy "nosuch"/,
    ],
    ['a value of a policy', (list) => policyOf(list, { mode: 'closed' }), '"closed"', /"mode": it is "closed"/],
    [
      'a plugin that is nearly ours',
      (list) => policyOf(list, {}, 'egres-policy'),
      '"egres-policy"',
      /nearest one is "egress-policy"/,
    ],
    [
      'a policy that is awaited and does not follow',
      (list) => ({ ...list, plugins: list.plugins.slice(0, 1) }),
      'true',
      /no "egress-policy" follows/,
    ],
    [
      'a policy that follows and is not awaited',
      (list) => interfaceOf(list, { awaitsPolicy: false }),
      'false',
      /"egress-policy" follows/,
    ],
    [
      'a word for "awaitsPolicy"',
      (list) => interfaceOf(list, { awaitsPolicy: 'yes' }),
      '"yes"',
      /"awaitsPolicy": it is "yes"/,
    ],
    ['a policy beside the plugins', (list) => ({ ...list, egress: {} }), '"egress"', /belongs to a plugin/],
    ['a version that nobody speaks', (list) => ({ ...list, cniVersion: '9.0.0' }), '', /incompatible CNI versions/],
    ['no name', (list) => ({ ...list, name: undefined }), '', /missing network name/],
    ['no plugins', (list) => ({ ...list, plugins: [] }), '[]', /"plugins"/],
  ];
  test.for(lists)('refuses a list with %s, and says where', async ([, change, at, says], { host }) => {
    const text = JSON.stringify(change(shipped('10-drawbridge')), null, 2);
    await write(host, '/etc/cni/net.d/10.conflist', text);
    const { code, json } = await drawbridge(host, ['policy', 'check', '--json', '/etc/cni/net.d/10.conflist']);
    expect(code).toBe(1);
    expect(schemaErrors('policy-check', json)).toEqual([]);
    const [{ line, column, message }] = json;
    expect(json).toHaveLength(1);
    expect(message).toMatch(says);
    expect((text.split('\n')[line - 1] ?? '').slice(column - 1).startsWith(at)).toBe(true);
  });

  test.for(['10-drawbridge', '20-interface-only', '30-one-process', '40-sandbox'])(
    'accepts the shipped list %s',
    async (name, { host }) => {
      await write(host, '/etc/cni/net.d/10.conflist', shipped(name));
      expect(await drawbridge(host, ['policy', 'check', '/etc/cni/net.d/10.conflist'])).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('valid'),
      });
    },
  );

  test('takes comments and the name of a schema in a policy, and refuses a comment in a list', async ({ host }) => {
    const text = '{\n  "$schema": "policy.json", // for editors\n  "mode": /* wide */ "wide"\n}';
    await write(host, '/etc/drawbridge/policies/a.json', text);
    const inPolicy = await drawbridge(host, ['policy', 'check', '--json', '/etc/drawbridge/policies/a.json']);
    expect(inPolicy.json).toMatchObject([{ line: 3, column: 22, message: expect.stringContaining('"wide"') }]);
    await write(host, '/etc/cni/net.d/10.conflist', '{ "name": "n", // mine\n "cniVersion": "1.1.0", "plugins": [] }');
    const inList = await drawbridge(host, ['policy', 'check', '--json', '/etc/cni/net.d/10.conflist']);
    expect(inList.json).toMatchObject([{ line: 1, column: 16, message: 'there is a comment, and JSON has none' }]);
  });

  const broken: readonly [string, string, string, RegExp][] = [
    ['a comment', '{\n  "mode": "open" # mine\n}', '2:18', /there is a comment, and JSON has none/],
    ['a trailing comma', '{\n  "allow": ["8.8.8.8",],\n}', '2:22', /comma before "\]" is one too many/],
    ['YAML', 'mode: allowlist\nallow:\n  - github.com\n', '1:1', /this is YAML/],
    ['a byte order mark', '\uFEFF{ "mode": "open" }', '1:1', /byte order mark/],
    ['single quotes', "{ 'mode': 'open' }", '1:3', /whose quotes are not JSON/],
    ['nothing', '', '1:1', /it is empty/],
  ];
  test.for(broken)('names %s in plain words, in a policy and in a list', async ([, text, place, says], { host }) => {
    for (const file of ['/etc/drawbridge/policies/a.json', '/etc/cni/net.d/10.conflist']) {
      await write(host, file, text);
      const { json } = await drawbridge(host, ['policy', 'check', '--json', file]);
      expect(json).toMatchObject([{ message: expect.stringMatching(says) }]);
      expect(`${json[0].line}:${json[0].column}`).toBe(place);
    }
    const container = await host.container();
    const named = { cniVersion: '1.1.0', name: 'net', type: 'egress-policy', policy: 'a' };
    const prevResult = { cniVersion: '1.1.0', ips: [] };
    const { error } = await host.cni('ADD', { ...named, prevResult }, { container });
    expect(error).toMatchObject({ code: 7, msg: expect.stringMatching(says) });
    expect(error?.['msg']).toContain(`line ${place.replace(':', ', column ')}`);
  });

  test.for(broken.filter(([, text]) => text !== ''))(
    'hears of %s from ADD itself',
    async ([, text, place, says], { host }) => {
      const container = await host.container();
      const { error } = await host.cni('ADD', text, { container });
      expect(error).toMatchObject({ code: 6, details: expect.stringMatching(says) });
      expect(error?.['details']).toContain(`line ${place.replace(':', ', column ')}`);
    },
  );

  test.for([
    ['/nowhere.json', 'there is no such file'],
    ['/etc', 'it is a folder'],
    ['/etc/passwd/x', 'a part of the path is not a folder'],
  ])('says of %s that %s', async ([file, why], { host }) => {
    const { code, stderr } = await drawbridge(host, ['policy', 'check', file ?? '']);
    expect(code).toBe(3);
    expect(stderr).toContain(`Cannot read "${file}": ${why}`);
    expect(stderr).not.toMatch(/\bE[A-Z]{4,}\b/);
  });

  test('accepts what is valid, with notices, and reads stdin', async ({ host }) => {
    const { code, stdout } = await drawbridge(host, ['policy', 'check', '-'], {
      input: '{ "mode": "allowlist", "allow": ["8.8.8.8:53"] }',
    });
    expect(code).toBe(0);
    expect(stdout).toContain('-: valid, with 1 notice');
  });

  test('says what it cannot read', async ({ host }) => {
    expect(await drawbridge(host, ['policy', 'check', '/nowhere.json'])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('Cannot read "/nowhere.json"'),
    });
    expect(await drawbridge(host, ['policy'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"policy check", "policy list", "policy test", "policy apply"'),
    });
  });
});

describe('drawbridge policy show', () => {
  test('shows defaults, presets and names of a file, a named policy and a container', async ({ host }) => {
    await host.outside();
    await write(host, '/etc/drawbridge/policies/work.json', {
      mode: 'allowlist',
      allow: ['api.example.org:443', '203.0.113.0/24:5432/tcp'],
      deny: ['203.0.113.9'],
    });
    await write(host, '/var/lib/drawbridge/names/api.example.org.json', {
      version: 1,
      name: 'api.example.org',
      resolvedAt: Date.now(),
      addresses: ['203.0.113.7', '2001:db8::7'].map((address) => ({ address, ttl: 300, seenAt: Date.now() })),
    });
    await expect((await drawbridge(host, ['policy', 'show', 'work'])).stdout).toMatchFileSnapshot(
      'golden/policy-show.txt',
    );
    await attach(host, withPolicy({ policy: 'work' }), 'job');
    const { json } = await drawbridge(host, ['policy', 'show', 'job', '--json']);
    expect(schemaErrors('policy-show', json)).toEqual([]);
    expect(json).toMatchObject({
      title: 'policy of container job (work)',
      policy: { mode: 'allowlist', allow: ['203.0.113.0/24:5432/tcp', 'api.example.org:443'], isolation: 'container' },
      names: { 'api.example.org': ['203.0.113.7', '2001:db8::7'] },
    });
  });

  test('says which policies there are when there is none of that name', async ({ host }) => {
    await write(host, '/etc/drawbridge/policies/work.json', {});
    expect(await drawbridge(host, ['policy', 'show', 'wrok'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('"work"'),
    });
  });
});

describe('drawbridge policy show and diff', () => {
  test('take every name of a container that explain takes', async ({ host }) => {
    await host.outside();
    await write(host, '/etc/drawbridge/policies/work.json', { mode: 'allowlist', allow: ['8.8.8.8'] });
    const id = 'f'.repeat(64);
    const { netns } = await attach(host, withPolicy({ policy: 'work' }), id);
    const [{ hostInterface, ips }] = (await drawbridge(host, ['list', '--json'])).json;
    const names = [
      id,
      'ffff',
      `${id}/eth0`,
      'ffff/eth0',
      netns,
      ips[0].split('/')[0],
      ips[1].split('/')[0],
      hostInterface,
    ];
    for (const name of names) {
      expect(await drawbridge(host, ['explain', name, '8.8.8.8']), name).toMatchObject({ code: 0 });
      expect((await drawbridge(host, ['policy', 'show', name])).stdout, name).toMatch(
        /^policy of container f{12} \(work\)/,
      );
      expect(await drawbridge(host, ['policy', 'diff', name, 'work']), name).toMatchObject({ code: 0 });
    }
    expect(await drawbridge(host, ['policy', 'diff', 'wrok', 'work'])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('The policies are "work"'),
    });
  });
});

describe('drawbridge policy diff', () => {
  test('shows what two policies do differently, with status 1', async ({ host }) => {
    await write(host, '/etc/a.json', { mode: 'allowlist', allow: ['8.8.8.8/32:443', 'api.example.org'] });
    await write(host, '/etc/b.json', { allow: ['8.8.8.8:443', 'www.example.org'], audit: true });
    const { code, json } = await drawbridge(host, ['policy', 'diff', '/etc/a.json', '/etc/b.json', '--json']);
    expect(schemaErrors('policy-diff', json)).toEqual([]);
    expect({ code, json }).toEqual({
      code: 1,
      json: [
        { key: 'allow', removed: ['api.example.org'], added: ['www.example.org'] },
        { key: 'audit', removed: ['false'], added: ['true'] },
      ],
    });
  });

  test('finds no difference between other words for the same, with status 0', async ({ host }) => {
    await write(host, '/etc/a.json', { mode: 'allowlist', allow: ['8.8.8.8', '1.1.1.1'] });
    await write(host, '/etc/b.json', { allow: ['1.1.1.1/32', '8.8.8.8/32'], deny: [] });
    expect(await drawbridge(host, ['policy', 'diff', '/etc/a.json', '/etc/b.json'])).toMatchObject({
      code: 0,
      stdout: '/etc/a.json and /etc/b.json do the same.\n',
    });
  });
});

describe('drawbridge presets', () => {
  test('shows every preset, and the entries of one the usual way round', async ({ host }) => {
    const { json } = await drawbridge(host, ['presets', '--json']);
    expect(schemaErrors('presets', json)).toEqual([]);
    expect(json.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(['unrestricted', 'dev', 'registries', 'none']),
    );
    expect((await drawbridge(host, ['presets', 'dev'])).stdout).toMatch(/^ {2}api\.github\.com:443/m);
    expect((await drawbridge(host, ['presets'])).stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(await drawbridge(host, ['presets', 'registrys'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('the nearest one is "registries"'),
    });
  });

  test('shows the presets of the operator beside the shipped ones', async ({ host }) => {
    await write(host, '/etc/drawbridge/presets/office.json', {
      about: 'the office',
      allow: ['wiki.example.org:443', '198.51.100.0/24'],
    });
    expect((await drawbridge(host, ['presets', 'office'])).stdout).toBe(
      'office    the office\n  wiki.example.org:443\n  198.51.100.0/24\n',
    );
    expect((await drawbridge(host, ['presets', '--json'])).json).toContainEqual({
      name: 'office',
      about: 'the office',
      entries: ['wiki.example.org:443', '198.51.100.0/24'],
      isOwn: true,
    });
  });

  test('says that a file has no effect when a shipped preset has its name', async ({ host }) => {
    await write(host, '/etc/drawbridge/presets/dev.json', { allow: ['wiki.example.org'] });
    const { stdout, stderr } = await drawbridge(host, ['presets', 'dev']);
    expect(stdout).not.toContain('wiki.example.org');
    expect(stderr).toContain('/etc/drawbridge/presets/dev.json has no effect');
  });

  test('--check names what has no address, and exits 1 then', async ({ host }) => {
    await write(host, '/etc/drawbridge/presets/office.json', {
      allow: ['here.example.org:443', 'gone.example.org:80/tcp', 'gone.example.org:443', '*.example.net'],
    });
    await write(host, '/etc/resolv.conf', 'nameserver 127.0.0.53\n');
    const dns = await startDns(host, { 'here.example.org': { A: ['192.0.2.1'] } });
    const checked = await drawbridge(host, ['presets', 'office', '--check', '--json']);
    expect(checked).toMatchObject({
      code: 1,
      json: [{ preset: 'office', asked: 2, gone: ['gone.example.org'], unknown: [], patterns: ['*.example.net'] }],
    });
    await dns.say({ 'here.example.org': { A: ['192.0.2.1'] }, 'gone.example.org': { AAAA: ['2001:db8::1'] } });
    expect(await drawbridge(host, ['presets', 'office', '--check'])).toMatchObject({ code: 0 });
  });

  test('--check exits 3 when no server answers', async ({ host }) => {
    await write(host, '/etc/drawbridge/presets/office.json', { allow: ['here.example.org:443'] });
    await write(host, '/etc/resolv.conf', 'nameserver 127.0.0.53\n');
    const { code, stdout } = await drawbridge(host, ['presets', 'office', '--check']);
    expect({ code, stdout }).toEqual({ code: 3, stdout: expect.stringContaining('here.example.org: could not tell') });
  });
});

describe('drawbridge seccomp', () => {
  test('lists the tiers, and prints one as a profile or as a manifest of a guest', async ({ host }) => {
    const { json: tiers } = await drawbridge(host, ['seccomp', '--json']);
    expect(schemaErrors('seccomp', tiers)).toEqual([]);
    expect(tiers).toHaveLength(5);
    expect((await drawbridge(host, ['seccomp', 'standard'])).json).toMatchObject({ defaultAction: 'SCMP_ACT_ERRNO' });
    expect((await drawbridge(host, ['seccomp', 'standard', '--form', 'guest'])).json).toMatchObject({
      tier: 'standard',
      allowed_syscalls: expect.arrayContaining(['read']),
    });
  });
});

describe('drawbridge refresh', () => {
  test('applies a changed policy to containers that run, and keeps the old one when the new one is wrong', async ({
    host,
  }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80 });
    await write(host, '/etc/drawbridge/policies/work.json', { mode: 'allowlist', allow: ['8.8.8.8:443'] });
    const job = await attach(host, withPolicy({ policy: 'work' }), 'job');
    expect(await host.fetch(job, '8.8.8.8', 80)).toBe('refused');
    await write(host, '/etc/drawbridge/policies/work.json', { mode: 'allowlist', allow: ['8.8.8.8'] });
    const { code, json } = await drawbridge(host, ['refresh', '--json']);
    expect(schemaErrors('refresh', json)).toEqual([]);
    expect({ code, json }).toMatchObject({
      code: 0,
      json: { changed: [{ containerId: 'job', policyName: 'work' }], problems: [] },
    });
    expect(await host.fetch(job, '8.8.8.8', 80)).toBe('192.0.2.1');
    await write(host, '/etc/drawbridge/policies/work.json', { mode: 'wide' });
    expect(await drawbridge(host, ['refresh'])).toMatchObject({
      code: 1,
      stdout: 'No policy in force has names.\n',
      stderr: expect.stringContaining('work'),
    });
    expect(await host.fetch(job, '8.8.8.8', 80)).toBe('192.0.2.1');
  });
});
