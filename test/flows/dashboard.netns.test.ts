/** The dashboard and the alert rules of conf/, in Debian's Prometheus, over what a real agent tells. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startAgent, until } from '../agent/process/agent.ts';
import { makeNamesLab } from '../agent/process/names-lab.ts';
import { isUnpacked, provide } from '../firewall/packages.ts';
import { describe, expect, test, type Host, type Json } from '../helpers/host.ts';

const root = join(import.meta.dirname, '../..');
const prometheus = join(root, 'test/.cache/debian/prometheus');
const rules = join(root, 'conf/prometheus');

/** The queries of the dashboard as Grafana would ask them, with the title of their panel. */
function queriesOf(): { title: string; query: string }[] {
  const { panels } = JSON.parse(readFileSync(join(root, 'conf/grafana/drawbridge.json'), 'utf8')) as {
    panels: { title: string; targets: { expr: string }[] }[];
  };
  return panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({
      title,
      query: expr.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '1m'),
    })),
  );
}

async function startPrometheus(host: Host): Promise<void> {
  await provide(host, prometheus);
  await host.sh('cat > /run/prometheus.yml', {
    input: `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [${rules}/drawbridge.rules.yml]
scrape_configs: [{ job_name: drawbridge, static_configs: [{ targets: ['127.0.0.1:9440'] }] }]\n`,
  });
  await host.spawn([
    'prometheus',
    '--config.file=/run/prometheus.yml',
    '--storage.tsdb.path=/run/prometheus',
    '--web.listen-address=127.0.0.1:9090',
  ]);
  await until(async () => (await ask(host, 'up')).length === 1, 30_000);
}

/** What Prometheus answers to a query. */
async function ask(host: Host, query: string): Promise<{ metric: Json; value: [number, string] }[]> {
  const { code, stdout } = await host.exec([
    'curl',
    '-s',
    '--get',
    '--data-urlencode',
    `query=${query}`,
    'http://127.0.0.1:9090/api/v1/query',
  ]);
  if (code !== 0) return [];
  const { status, error, data } = JSON.parse(stdout) as {
    status: string;
    error?: string;
    data?: { result: { metric: Json; value: [number, string] }[] };
  };
  if (status !== 'success') throw new Error(`${query}: ${error ?? status}`);
  return data?.result ?? [];
}

describe.skipIf(!isUnpacked('prometheus'))('in Prometheus (npm run test:metrics unpacks it)', () => {
  test('the alert rules find what they are for, and leave alone what is beside it', () => {
    const said = execFileSync(join(prometheus, 'usr/bin/promtool'), ['test', 'rules', 'drawbridge.rules.test.yml'], {
      cwd: rules,
      encoding: 'utf8',
    });
    expect(said).toContain('SUCCESS');
    const names = (file: string, key: RegExp): Set<string> =>
      new Set([...readFileSync(join(rules, file), 'utf8').matchAll(key)].map(([, name = '']) => name));
    expect(names('drawbridge.rules.test.yml', /alertname: (\w+)/g)).toEqual(
      names('drawbridge.rules.yml', /alert: (\w+)/g),
    );
  });

  test('each query of the dashboard tells something of a host where something happens', async ({ host }) => {
    const lab = await makeNamesLab(host, {
      record: 'all',
      quota: { bytes: '10MB', per: 'day' },
    });
    await lab.add();
    const agent = await startAgent(host, ['--metrics-address', '127.0.0.1:9440']);
    await until(async () => (await lab.ask('api.example.org')).includes('198.51.100.1'));
    await startPrometheus(host);
    const act = async (): Promise<void> => {
      await lab.ask('x.example.net');
      await lab.ask('secret.example.com');
      expect(await host.fetch(lab.container, '198.51.100.1', 80)).toBe('hello');
      await host.fetch(lab.container, '8.8.8.8', 443);
      await host.sh('conntrack -D -p tcp 2>/dev/null; nft delete table bridge drawbridge');
      await agent.ask('repair');
    };
    let silent = queriesOf();
    expect(silent.length).toBeGreaterThan(20);
    // A rate needs two looks between which something happened.
    await until(async () => {
      await act();
      const answers = await Promise.all(silent.map(async ({ query }) => ask(host, query)));
      silent = silent.filter((_, index) => !(answers[index] ?? []).some(({ value }) => value[1] !== 'NaN'));
      return silent.length === 0;
    }, 60_000).catch(() => expect(silent).toEqual([]));
    // The rules are evaluated too, over what there is.
    expect(await ask(host, 'ALERTS{alertname="DrawbridgeAgentDown"}')).toEqual([]);
    await agent.stop();
    await until(async () => (await ask(host, 'ALERTS{alertname="DrawbridgeAgentDown"}')).length === 1, 20_000);
  });
});
