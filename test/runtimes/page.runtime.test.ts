import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { executable } from '../helpers/executable.ts';
import { makeContainerdMachine, shipped, writeNetwork } from './containerd.ts';
import { imageName } from './image.ts';
import { until, type Machine } from './machine.ts';
import { makePodmanMachine } from './podman.ts';
import { client, debian } from './tools.ts';

const file = new URL('../../docs/runtimes.md', import.meta.url);

/**
 * What docs/runtimes.md shows of a client stands below the heading of its section, as a console: each is typed again
 * here.
 */
const sections = [
  {
    heading: '## containerd with `ctr`, and the CRI',
    isHere: debian('containerd') !== undefined && client('crictl') !== undefined,
    make: async (): Promise<Machine> => {
      const machine = await makeContainerdMachine();
      const network = shipped('10-drawbridge.conflist', (plugins) => (plugins[1]!['selectable'] = ['sealed']));
      await machine.sh(`
        mkdir -p /etc/drawbridge/policies
        echo '{ "mode": "allowlist", "preset": "none" }' > /etc/drawbridge/policies/sealed.json
        cat > /run/pod.json <<'END'
{ "metadata": { "name": "web", "namespace": "default", "uid": "1", "attempt": 1 },
  "annotations": { "drawbridge/egress-policy": "sealed" },
  "port_mappings": [{ "container_port": 80, "host_port": 8080 }], "log_directory": "/run/logs", "linux": {} }
END
        echo '{ "metadata": { "name": "web" }, "image": { "image": "${imageName}" }, "log_path": "web.log", "linux": {},
          "command": ["/bin/httpd", "-f", "-h", "/www"] }' > /run/web.json`);
      await writeNetwork(machine, '10-drawbridge.conflist', network);
      await until('the CRI plugin has read the network', async () =>
        /"lastCNILoadStatus": "OK"/.test(await machine.run(['crictl', 'info'])),
      );
      return machine;
    },
  },
  {
    heading: '## nerdctl',
    isHere: debian('containerd') !== undefined && client('nerdctl') !== undefined,
    make: async (): Promise<Machine> => {
      const machine = await makeContainerdMachine();
      await writeNetwork(machine, '10-drawbridge.conflist', shipped('10-drawbridge.conflist'));
      return machine;
    },
  },
  { heading: '## podman with CNI', isHere: debian('podman') !== undefined, make: makePodmanMachine },
];

describe.each(sections)('docs/runtimes.md, "$heading"', ({ heading, isHere, make }) => {
  let machine: Machine | undefined;
  beforeAll(async () => {
    if (!isHere) return;
    machine = await make();
    await machine.sh(`mkdir -p /run/tools; ln -s ${executable} /run/tools/drawbridge
      [ -e /usr/bin/wget ] || ln -s /bin/busybox /run/tools/wget`);
  });
  afterAll(async () => machine?.[Symbol.asyncDispose]());

  test.runIf(isHere)('what is typed prints what is shown', async () => {
    for (const shown of consolesBelow(heading)) {
      const printed = await replay(machine!, commandsOf(shown));
      if (process.env['DRAWBRIDGE_DOCS'] === 'write') replaceInPage(shown, printed);
      else expect(likeness(printed)).toBe(likeness(shown));
    }
  });
});

describe('docs/runtimes.md', () => {
  test('shows consoles of containerd, nerdctl and podman', () => {
    expect(sections.map(({ heading }) => consolesBelow(heading).length)).toEqual([1, 2, 1]);
  });
});

/** What stands in the consoles between a heading and the next. */
function consolesBelow(heading: string): string[] {
  const text = readFileSync(file, 'utf8');
  const start = text.indexOf(`\n${heading}\n`) + 1;
  if (start === 0) throw new Error(`docs/runtimes.md has no "${heading}"`);
  const section = text.slice(start, text.indexOf('\n## ', start));
  return [...section.matchAll(/^```console\n([^]*?)^```$/gm)].map(([, inside = '']) => inside);
}

function commandsOf(console: string): string[] {
  return [...console.matchAll(/^# (.*)$/gm)].map(([, command = '']) => command);
}

/** A command that waits a moment for a server is given more moments. */
async function replay(machine: Machine, commands: readonly string[]): Promise<string> {
  let printed = '';
  for (const command of commands) {
    let output = await machine.exec(['/bin/sh', '-c', command]);
    for (let tries = 0; command.startsWith('sleep ') && output.code !== 0 && tries < 5; tries++)
      output = await machine.exec(['/bin/sh', '-c', command]);
    printed += `# ${command}\n${output.stdout.trimEnd()}`.trimEnd() + '\n';
    if (output.code !== 0 && output.stdout === '')
      throw new Error(`${command}: exit status ${output.code}: ${output.stderr}`);
  }
  return printed;
}

/** Without what differs from run to run: identifiers, numbers of interfaces, and how far what follows them is moved. */
function likeness(text: string): string {
  return text
    .replaceAll(/[0-9a-f]{4,}/g, '#')
    .replaceAll(/@if\d+|^\d+:/gm, '#')
    .replaceAll(/[ \t]+/g, ' ');
}

function replaceInPage(shown: string, printed: string): void {
  const text = readFileSync(file, 'utf8');
  writeFileSync(
    file,
    text.replace(shown, () => printed),
  );
}
