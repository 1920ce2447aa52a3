/** Records of flows that the agent sends elsewhere: to the journal, a file, a collector of OpenTelemetry. */
import { existsSync } from 'node:fs';
import { startAgent, until, type Agent } from '../agent/process/agent.ts';
import { attach, drawbridge, schemaErrors, withPolicy } from '../cli/cli.ts';
import { describe, expect, test, type Container, type Host, type Json } from '../helpers/host.ts';

const journald = '/lib/systemd/systemd-journald';

/** The conf of a runtime that says what a container is for. */
function labelled(policy: Json): ReturnType<typeof withPolicy> {
  const { plugins, ...rest } = withPolicy(policy);
  const labels = [
    { key: 'team', value: 'blue' },
    { key: 'example.org/tier', value: 'front "end"' },
  ];
  return { ...rest, plugins: plugins.map((plugin) => ({ ...plugin, args: { cni: { labels } } })) };
}

const closed = { mode: 'allowlist', allow: ['8.8.8.8:443'] } as const;

async function attached(host: Host): Promise<Container> {
  await host.outside();
  return attach(host, labelled(closed), 'job');
}

async function metric(agent: Agent, name: string): Promise<string[]> {
  const { text } = (await agent.ask<{ text: string }>('metrics')).result;
  return text.split('\n').filter((line) => line.startsWith(`${name}{`));
}

async function linesOf(host: Host, file: string): Promise<Json[]> {
  const { stdout } = await host.exec(['cat', file]);
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Json]));
}

/** A socket where journald has its own; what comes is written down, a datagram each. */
const listener = `
import socket, os, json
os.makedirs("/run/systemd/journal", exist_ok=True)
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("/run/systemd/journal/socket")
while True:
  with open("/run/entries", "a") as f: f.write(json.dumps(s.recv(200000).decode()) + "\\n")`;

/** A collector: what it is sent is written down, a request each. */
const collector = `
import http.server, json
class Collector(http.server.BaseHTTPRequestHandler):
  protocol_version = "HTTP/1.1"
  def do_POST(self):
    body, size = b"", -1
    while size != 0:
      size = int(self.rfile.readline(), 16)
      body += self.rfile.read(size)
      self.rfile.readline()
    with open("/run/requests", "a") as f: f.write(json.dumps({"path": self.path, "key": self.headers["x-key"], "body": json.loads(body)}) + "\\n")
    self.send_response(200); self.send_header("content-type", "application/json"); self.send_header("content-length", "2"); self.end_headers(); self.wfile.write(b"{}")
  def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 4318), Collector).serve_forever()`;

describe('labels of a container', () => {
  test('stand in its records, from "args.cni" and from the annotations of a pod', async ({ host }) => {
    const job = await attached(host);
    const conflist = withPolicy(closed, 'pods');
    const pod = await attach(
      host,
      {
        ...conflist,
        plugins: conflist.plugins.map((plugin) => ({
          ...plugin,
          bridge: 'drawbridge3',
          ipam: { type: 'host-local', ranges: [[{ subnet: '10.91.0.0/16' }]] },
          capabilities: { 'io.kubernetes.cri.pod-annotations': true },
        })),
      },
      'pod',
      { runtimeConfig: { 'io.kubernetes.cri.pod-annotations': { tier: 'front', manifest: 'x'.repeat(1000) } } },
    );
    await startAgent(host);
    await host.fetch(job, '9.9.9.9', 80);
    await host.fetch(pod, '9.9.9.9', 80);
    let records: Json[] = [];
    await until(async () => {
      const { stdout } = await drawbridge(host, ['flows', '--json']);
      records = stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Json]));
      return records.length === 2;
    });
    expect(records.flatMap((record) => schemaErrors('flows', record))).toEqual([]);
    expect(records).toMatchObject([
      { container: 'job', labels: { team: 'blue', 'example.org/tier': 'front "end"' } },
      { container: 'pod', labels: { tier: 'front' } },
    ]);
    const { stdout } = await drawbridge(host, ['flows', 'team=blue', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ container: 'job' });
    const listed = await drawbridge(host, ['list', 'team=blue', '--json']);
    expect(schemaErrors('list', listed.json)).toEqual([]);
    expect(listed.json).toMatchObject([{ containerId: 'job', labels: { team: 'blue' } }]);
  });
});

describe('records of flows', () => {
  test('go to the journal as JSON with a field for each part, and what nobody takes is counted and said', async ({
    host,
  }) => {
    const job = await attached(host);
    const agent = await startAgent(host, ['--flows-journal']);
    await host.fetch(job, '9.9.9.9', 80);
    await until(
      async () => (await metric(agent, 'drawbridge_flows_lost_total')).some((line) => line.includes('journal')),
      15_000,
    );
    expect((await agent.ask<{ problems: string[] }>('status')).result.problems).toEqual([
      'Cannot send records of flows to the journal: nobody takes them at "/run/systemd/journal/socket"',
    ]);
    await host.spawn(['python3', '-c', listener]);
    await until(async () => (await host.exec(['test', '-S', '/run/systemd/journal/socket'])).code === 0);
    await host.fetch(job, '9.9.9.9', 81);
    await until(async () => (await host.exec(['test', '-s', '/run/entries'])).code === 0);
    const [entry = ''] = (await linesOf(host, '/run/entries')) as unknown as string[];
    const fields = new Map(entry.split('\n').map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]));
    expect(schemaErrors('flows', JSON.parse(fields.get('MESSAGE') ?? ''))).toEqual([]);
    expect(Object.fromEntries(fields)).toMatchObject({
      PRIORITY: '4',
      SYSLOG_IDENTIFIER: 'drawbridge',
      DRAWBRIDGE_CONTAINER: 'job',
      DRAWBRIDGE_DEST: '9.9.9.9',
      DRAWBRIDGE_PORT: '81',
      DRAWBRIDGE_VERDICT: 'deny',
      DRAWBRIDGE_RULE: 'mode "allowlist"',
      DRAWBRIDGE_LABEL_TEAM: 'blue',
      DRAWBRIDGE_LABEL_EXAMPLE_ORG_TIER: 'front "end"',
    });
    expect((await agent.ask<{ problems: string[] }>('status')).result.problems).toEqual([]);
  });

  test.skipIf(!existsSync(journald))('are found in a journal of systemd by their fields', async ({ host }) => {
    const job = await attached(host);
    // It starts where it finds groups of processes and the machine's id.
    await host.sh(`mount -t cgroup2 none /sys/fs/cgroup; mkdir -p /run/systemd/journal /run/log/journal
 echo 0123456789abcdef0123456789abcdef > /etc/machine-id`);
    await host.spawn([journald]);
    await until(async () => (await host.exec(['test', '-S', '/run/systemd/journal/socket'])).code === 0);
    await startAgent(host, ['--flows-journal']);
    await host.fetch(job, '9.9.9.9', 80);
    await host.fetch(job, '7.7.7.7', 80);
    const find = async (field: string): Promise<Json[]> => {
      const { stdout } = await host.exec(['journalctl', '--directory=/run/log/journal', '-o', 'json', field]);
      return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Json]));
    };
    await until(async () => (await find('DRAWBRIDGE_CONTAINER=job')).length === 2);
    const [found] = await find('DRAWBRIDGE_DEST=7.7.7.7');
    expect(found).toMatchObject({ DRAWBRIDGE_LABEL_TEAM: 'blue', PRIORITY: '4', DRAWBRIDGE_PORT: '80' });
    expect(JSON.parse(String(found?.['MESSAGE']))).toMatchObject({ destination: '7.7.7.7', verdict: 'deny' });
  });

  test('go to a file, a line when they begin and one with the count when they end, also after it was rotated', async ({
    host,
  }) => {
    const job = await attached(host);
    const file = '/var/log/flows.jsonl';
    const agent = await startAgent(host, ['--flows-file', file]);
    await host.fetch(job, '9.9.9.9', 80);
    await until(async () => (await linesOf(host, file)).length === 1);
    await host.sh(`mv ${file} ${file}.1`);
    await host.fetch(job, '9.9.9.9', 80);
    await host.fetch(job, '9.9.9.9', 81);
    await until(async () => (await linesOf(host, file)).length === 1);
    // A minute that is cut short is over as well.
    await agent.stop();
    const [old] = await linesOf(host, `${file}.1`);
    const [fresh, end] = await linesOf(host, file);
    expect(old).toMatchObject({ port: 80, count: 1 });
    expect(fresh).toMatchObject({ port: 81, count: 1 });
    expect(end).toMatchObject({ id: old?.['id'], port: 80, destination: '9.9.9.9', count: 2 });
    expect([old, fresh, end].flatMap((line) => schemaErrors('flows', line))).toEqual([]);
  });

  test('go to a collector of OpenTelemetry, which may be away meanwhile', async ({ host }) => {
    const job = await attached(host);
    const agent = await startAgent(host, ['--flows-otlp', 'http://127.0.0.1:4318'], {
      OTEL_EXPORTER_OTLP_HEADERS: 'x-key=secret',
    });
    await host.fetch(job, '9.9.9.9', 80);
    await until(
      async () => (await metric(agent, 'drawbridge_flows_lost_total')).some((line) => line.includes('otlp')),
      40_000,
    );
    expect((await agent.ask<{ problems: string[] }>('status')).result.problems).toEqual([
      expect.stringMatching(/^Cannot send records of flows to "http:\/\/127\.0\.0\.1:4318": nobody answers there$/),
    ]);
    await host.spawn(['python3', '-c', collector]);
    await until(async () => (await host.exec(['sh', '-c', 'ss -ltn | grep -q :4318'])).code === 0);
    await host.fetch(job, '9.9.9.9', 81);
    await until(async () => (await host.exec(['test', '-s', '/run/requests'])).code === 0);
    const [request] = await linesOf(host, '/run/requests');
    expect(request).toMatchObject({ path: '/v1/logs', key: 'secret' });
    const { resourceLogs } = (request?.['body'] ?? {}) as { resourceLogs: [Json] };
    const [{ resource, scopeLogs }] = resourceLogs;
    expect(resource.attributes).toContainEqual({ key: 'service.name', value: { stringValue: 'drawbridge' } });
    const [{ logRecords }] = scopeLogs as [Json];
    expect(logRecords).toHaveLength(1);
    expect(logRecords[0]).toMatchObject({
      severityText: 'WARN',
      eventName: 'drawbridge.flow',
      body: { stringValue: 'job to 9.9.9.9:81/tcp: denied by mode "allowlist"' },
    });
    expect(logRecords[0].attributes).toEqual(
      expect.arrayContaining([
        { key: 'container.id', value: { stringValue: 'job' } },
        { key: 'destination.address', value: { stringValue: '9.9.9.9' } },
        { key: 'destination.port', value: { intValue: 81 } },
        { key: 'container.label.team', value: { stringValue: 'blue' } },
      ]),
    );
    expect((await agent.ask<{ problems: string[] }>('status')).result.problems).toEqual([]);
  });

  test('go nowhere where what was asked for makes no sense', async ({ host }) => {
    const file = await drawbridge(host, ['agent', '--flows-file', 'flows.jsonl']);
    expect(file).toMatchObject({ code: 2, stderr: expect.stringContaining('a path from the root is expected') });
    const collectorless = await drawbridge(host, ['agent', '--flows-otlp', '127.0.0.1:4318']);
    expect(collectorless).toMatchObject({ code: 2, stderr: expect.stringContaining('an address is expected') });
  });
});
