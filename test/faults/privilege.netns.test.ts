import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test, type Host } from '../helpers/host.ts';
import { startAgent, until } from '../agent/process/agent.ts';
import { pluginFolder } from '../helpers/executable.ts';
import { attachmentsLeft, conflist, interfaceConf, options, outcome, prepare } from './network.ts';

/** What SECURITY.md says that a plugin run needs. */
const needed = ['net_admin', 'sys_admin'];

/** An executable that starts a plugin with these capabilities and no others, and without a way to new ones. */
async function confined(host: Host, capabilities: readonly string[]): Promise<string> {
  const list = ['-all', ...capabilities.map((name) => `+${name}`)].join(',');
  await host.sh(
    'mkdir -p /opt/confined; cat > /opt/confined/drawbridge; chmod +x /opt/confined/drawbridge; ln -f /opt/confined/drawbridge /opt/confined/egress-policy',
    {
      input: `#!/bin/sh\nexec setpriv --bounding-set=${list} --inh-caps=${list} --no-new-privs -- ${pluginFolder}/"\${0##*/}"\n`,
    },
  );
  return '/opt/confined';
}

describe('capabilities', () => {
  const run = async (host: Host, capabilities: readonly string[]): Promise<string[]> => {
    await prepare(host);
    const folder = await confined(host, capabilities);
    await host.takeBaseline();
    const container = await host.container();
    const outcomes: string[] = [];
    let prevResult: unknown;
    for (const [verb, plugin] of [
      ['ADD', 0],
      ['ADD', 1],
      ['CHECK', 0],
      ['CHECK', 1],
      ['DEL', 1],
      ['DEL', 0],
    ] as const) {
      const conf = {
        ...conflist.plugins[plugin],
        cniVersion: conflist.cniVersion,
        name: conflist.name,
        ...(plugin === 0 ? { runtimeConfig: options(container).runtimeConfig } : {}),
        prevResult,
      };
      const result = await host.cni(verb, conf, {
        container,
        program: `${folder}/${String(conflist.plugins[plugin]?.['type'])}`,
      });
      if (verb === 'ADD' && result.code === 0) ({ result: prevResult } = result);
      outcomes.push(`${verb} ${outcome(result)}`);
    }
    return outcomes;
  };

  test(`${needed.join(' and ')} suffice for ADD, CHECK and DEL of both plugins`, async ({ host }) => {
    expect(await run(host, needed)).toEqual([
      'ADD code 0',
      'ADD code 0',
      'CHECK code 0',
      'CHECK code 0',
      'DEL code 0',
      'DEL code 0',
    ]);
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test.for(needed)('without %s an ADD fails and leaves nothing', async (missing, { host }) => {
    const [first] = await run(
      host,
      needed.filter((name) => name !== missing),
    );
    expect(first).toMatch(/ADD status 1: \{"cniVersion"/u);
    expect((await attachmentsLeft(host)).filter((line) => !/\/locks\//u.test(line))).toEqual([]);
  });
});

describe('files', () => {
  test('of ours are for root alone, but those that say nothing of a container', async ({ host }) => {
    await prepare(host);
    const container = await host.container();
    expect(outcome(await host.addChain(conflist, options(container)))).toBe('code 0');
    const open = await host.sh(
      `find /run/drawbridge /var/lib/cni /var/lib/drawbridge \\( -perm /022 -o -not -user root \\) -printf '%M %p\\n'`,
    );
    expect(open).toBe('');
    const readable = await host.sh(
      `find /run/drawbridge/attachments /run/drawbridge/ports /run/drawbridge/addresses /run/drawbridge/shared -perm /077 -printf '%M %p\\n'`,
    );
    expect(readable).toBe('');
    expect(await host.sh(`find /var/lib/cni/networks/drawbridge -name '10.*' -printf '%m'`)).toBe('600');
  });

  test('are not written through a symbolic link that somebody put in place of one', async ({ host }) => {
    await prepare(host);
    const container = await host.container();
    expect(outcome(await host.addChain(conflist, options(container)))).toBe('code 0');
    await host.sh(`
      echo precious > /opt/precious; chmod 600 /opt/precious
      for file in $(find /run/drawbridge/attachments /run/drawbridge/ports /run/drawbridge/addresses -type f) /var/lib/cni/networks/drawbridge/10.88.0.2; do rm $file; ln -s /opt/precious $file; done`);
    await host.addChain(conflist, options(await host.container()));
    await host.delChain(conflist, options(container));
    await host.gcChain(conflist, []);
    expect(await host.sh('cat /opt/precious')).toBe('precious\n');
  });

  test('of the agent: its socket is for root alone from its first moment, also where a link or a file of another was in its place', async ({
    host,
  }) => {
    await prepare(host);
    await host.sh(`mkdir -p /run/drawbridge; echo precious > /opt/precious; chmod 644 /opt/precious
      ln -s /opt/precious /run/drawbridge/agent.sock`);
    const agent = await startAgent(host, [], {}, 30_000);
    expect(await host.sh('cat /opt/precious; stat -c %a /opt/precious')).toBe('precious\n644\n');
    expect(await host.sh('stat -c "%F %a %u" /run/drawbridge/agent.sock')).toBe('socket 600 0\n');
    expect((await agent.ask<{ protocol: number }>('status')).result.protocol).toBe(1);
    // Somebody who is not root.
    const { code } = await host.exec([
      'setpriv',
      '--reuid=65534',
      '--clear-groups',
      'socat',
      '-u',
      'OPEN:/dev/null',
      'UNIX-CONNECT:/run/drawbridge/agent.sock',
    ]);
    expect(code).not.toBe(0);
  });

  test('of state are not written through a link: what is in its place is replaced', async ({ host }) => {
    await prepare(host);
    await host.sh(`echo precious > /opt/precious; mkdir -p /var/lib/drawbridge/boot /run/drawbridge/bridges
      file=$(printf %s /var/lib/cni/networks/drawbridge | sha256sum | cut -c1-16)
      ln -s /opt/precious /var/lib/drawbridge/boot/$file.json; ln -s /opt/precious /var/lib/drawbridge/learnt.json
      ln -s /opt/precious /run/drawbridge/bridges/drawbridge0.json`);
    const agent = await startAgent(host, [], {}, 30_000);
    expect(outcome(await host.addChain(conflist, options(await host.container())))).toBe('code 0');
    await agent.stop();
    expect(await host.sh('cat /opt/precious')).toBe('precious\n');
  });

  test('and logs hold nothing of the environment or of the conf but names and addresses', async ({ host }) => {
    await prepare(host);
    const secret = 's3cr3t-of-somebody';
    const agent = await startAgent(host, ['--log-level', 'debug'], { TOKEN: secret }, 30_000);
    const container = await host.container();
    const conf = { ...interfaceConf, password: secret, args: { cni: { token: secret } }, bridge: 'no/bridge' };
    const refused = await host.cni('ADD', conf, {
      container,
      env: { TOKEN: secret },
      args: `IgnoreUnknown=1;TOKEN=${secret}`,
    });
    expect(refused.code).toBe(1);
    const failing = { ...conf, bridge: 'drawbridge0' };
    const added = await host.cni('ADD', failing, { container, env: { TOKEN: secret } });
    expect(outcome(added)).toBe('code 0');
    await host.run(['nft', 'flush', 'ruleset']);
    await until(async () => (await agent.log()).some(({ msg }) => msg === 'repaired'), 15_000);
    const said = [refused, added].map(({ stdout, stderr }) => stdout + stderr).join('\n');
    expect(said).not.toContain(secret);
    expect(JSON.stringify(await agent.log())).not.toContain(secret);
    // 1 is "found nothing"; a folder that cannot be read would be 2. The record, root's alone, holds the conf as it
    // came.
    expect((await host.exec(['grep', '-rl', secret, '/run/drawbridge'])).stdout).toMatch(
      /^\/run\/drawbridge\/attachments\//,
    );
    expect(await host.exec(['grep', '-rl', secret, '/var/lib', '/var/log'])).toMatchObject({ code: 1, stdout: '' });
  });

  test.for(['/run/drawbridge', '/var/lib/drawbridge'])(
    'below %s stay there when the folder of a kind is a link to elsewhere',
    async (folder, { host }) => {
      await prepare(host);
      await host.sh(
        `mkdir -p ${folder} /opt/elsewhere; touch /opt/elsewhere/precious.json; for kind in attachments ports addresses shared boot names locks; do ln -s /opt/elsewhere ${folder}/$kind; done`,
      );
      await host.addChain(conflist, options(await host.container()));
      await host.gcChain(conflist, []);
      // Only root can make such a link; what matters is that nothing that was there is harmed.
      expect(await host.sh('ls /opt/elsewhere/precious.json')).toBe('/opt/elsewhere/precious.json\n');
    },
  );
});

describe('the environment', () => {
  test.for([
    ['BUN_OPTIONS', '--preload=/opt/evil.js'],
    ['BUN_INSPECT', '127.0.0.1:9'],
    ['NODE_OPTIONS', '--require=/opt/evil.js'],
    ['BUN_CONFIG_PRELOAD', '/opt/evil.js'],
    ['BUN_RUNTIME_TRANSPILER_CACHE_PATH', '/opt/cache'],
  ] as const)(
    "%s is whoever starts a plugin's to set, and a container has no way to",
    async ([name, value], { host }) => {
      await prepare(host);
      await host.sh(`printf 'require("fs").writeFileSync("/opt/evil-ran", "")' > /opt/evil.js`);
      const container = await host.container();
      // Labels, CNI_ARGS and names are all that comes from a container: none of them becomes a variable.
      const result = await host.cni(
        'ADD',
        { ...interfaceConf, args: { cni: { env: { [name]: value } } } },
        { container, args: `IgnoreUnknown=1;${name}=${value.replaceAll('=', ' ')}` },
      );
      expect(outcome(result)).toBe('code 0');
      expect((await host.exec(['ls', '/opt/evil-ran'])).code).not.toBe(0);
    },
  );

  test('a bunfig.toml and a package.json in the working directory are not read', async ({ host }) => {
    await prepare(host);
    await host.sh(
      `mkdir /opt/cwd; cd /opt/cwd; printf 'preload = ["./evil.js"]\\n' > bunfig.toml; printf '{"type":"module"}' > package.json; echo 'A=b' > .env; printf 'require("fs").writeFileSync("/opt/evil-ran", "")' > evil.js`,
    );
    const { code } = await host.exec([`${pluginFolder}/drawbridge`], {
      cwd: '/opt/cwd',
      input: '{"cniVersion":"1.0.0"}',
      env: { CNI_COMMAND: 'VERSION' },
    });
    expect(code).toBe(0);
    expect((await host.exec(['ls', '/opt/evil-ran'])).code).not.toBe(0);
  });
});

describe('packages', () => {
  test('in the executable are under licences that allow it', () => {
    const { packages } = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as {
      packages: Record<string, { dev?: boolean; license?: string }>;
    };
    const shipped = Object.entries(packages).filter(([path, { dev }]) => path !== '' && dev !== true);
    expect(shipped.length).toBeGreaterThan(5);
    const allowed =
      /^\(?(?:MIT|ISC|BSD-2-Clause|BSD-3-Clause|Apache-2\.0|0BSD|BlueOak-1\.0\.0|PSF-2\.0|Unlicense)(?: (?:OR|AND) [\w.-]+)*\)?$/u;
    expect(
      shipped
        .filter(([, { license }]) => !allowed.test(license ?? ''))
        .map(([path, { license }]) => `${path}: ${license}`),
    ).toEqual([]);
  });

  test('have no known hole, as far as the registry can be asked', ({ skip }) => {
    let text = '';
    try {
      text = execFileSync('npm', ['audit', '--omit=dev', '--json'], {
        encoding: 'utf8',
        timeout: 30_000,
        cwd: new URL('../..', import.meta.url).pathname,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    } catch (error) {
      text = String((error as { stdout?: string }).stdout ?? '');
    }
    const report = (text.startsWith('{') ? JSON.parse(text) : {}) as {
      metadata?: { vulnerabilities?: { total: number } };
      vulnerabilities?: unknown;
    };
    if (report.metadata?.vulnerabilities === undefined) skip('the registry does not answer an audit');
    expect(report.vulnerabilities).toEqual({});
  });
});
