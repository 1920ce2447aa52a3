import { readFileSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { readerWord } from './agent/first-bytes/messages.ts';
import { aboutText, serve, type Plugin, type PluginIo } from './cni/serve.ts';
import { systemReason } from './text/system-error.ts';
import { isOwnNetns } from './host/netns.ts';
import { isOnHost } from './plugins/attachment.ts';
import { dropIns, peers } from './plugins/drop-in/plugins.ts';
import { netavarkCommands } from './plugins/netavark/commands.ts';
import { interfacePlugin } from './plugins/drawbridge/plugin.ts';
import { policyPlugin } from './plugins/egress-policy/plugin.ts';
import { visible, visibleLines } from './text/visible.ts';

declare const DRAWBRIDGE_VERSION: string;

/** What each called name stands for when a runtime calls it. */
const plugins: Readonly<Record<string, () => Plugin>> = {
  drawbridge: () => interfacePlugin('drawbridge', DRAWBRIDGE_VERSION),
  'egress-policy': () => policyPlugin(DRAWBRIDGE_VERSION),
  ...dropIns,
  ...peers,
};

async function main(): Promise<void> {
  const called = basename(process.argv0);
  const makePlugin = plugins[called];
  if (makePlugin === undefined) {
    writeSync(2, `Cannot start as "${visible(called)}": the known names are ${Object.keys(plugins).join(', ')}\n`);
    process.exit(2);
  }
  const words = process.argv.slice(2);
  if (called === 'drawbridge' && (process.env['CNI_COMMAND'] ?? '') === '') {
    if (netavarkCommands.some((command) => command === words[0])) {
      const { serveNetavark } = await import('./plugins/netavark/serve.ts');
      process.exit(await serveNetavark(words, DRAWBRIDGE_VERSION, io));
    }
    // A program that asks what plugin this is reads the line that the reference prints there.
    if (words.length === 0 && !process.stderr.isTTY) writeSync(2, aboutText(makePlugin()));
    if (words[0] === readerWord) process.exit(await (await import('./agent/first-bytes/process.ts')).runReader());
    // Loaded for people alone: a plugin run does not need it.
    const { runCommandLine } = await import('./cli/main.ts');
    process.exit(await runCommandLine(words, DRAWBRIDGE_VERSION));
  }
  process.exit(await serve(makePlugin(), io));
}

/** What a run of a plugin reads and writes. */
const io: PluginIo = {
  env: process.env,
  readStdin: readInput,
  stdout: answer,
  stderr: (output) => void writeSync(2, visibleLines(output)),
  ownNetns: (path, request) => isOwnNetns(path) && !isOnHost(request),
};

/** An answer that cannot be written is a failure: the runtime then sends a DEL. */
function answer(output: string): void {
  try {
    writeSync(1, output);
  } catch (error) {
    writeSync(2, `Cannot write the result: ${systemReason(error)}\n`);
    process.exit(1);
  }
}

/**
 * Reads stdin to its end. As a stream it would take 5 ms to load; but VERSION answers also those who leave it open, and
 * a stdin that does not block can only be read so.
 */
async function readInput(): Promise<string> {
  if (process.env['CNI_COMMAND'] !== 'VERSION') {
    try {
      return readFileSync(0, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }
  const { text } = await import('node:stream/consumers');
  return text(process.stdin);
}

void main();
