/**
 * Places in the run of a plugin at which it can be killed: each file operation that changes something, each start
 * of a child, and each call of a program before, while and after it does its work.
 */
import { pluginFolder } from '../helpers/executable.ts';
import type { CniOptions, CniResult, Host, Json } from '../helpers/host.ts';
import { brokenAt, installStandIns } from './broken-programs.ts';

/**
 * A system call that a thread of the plugin makes for the nth time: the plugin is killed as it begins. `ftruncate`
 * is how the runtime ends the writing of a file, `vfork` how it begins a child, `sendto` how it asks the kernel for
 * links.
 */
interface SystemCallPoint {
  readonly kind: 'call';
  readonly name: string;
  readonly n: number;
}

interface ProgramPoint {
  readonly kind: 'program';
  readonly n: number;
  readonly how: 'kill-before' | 'kill-while' | 'kill-after';
}

export type KillPoint = SystemCallPoint | ProgramPoint;

export const systemCalls = [
  'vfork',
  'sendto',
  'mkdir',
  'ftruncate',
  'rename',
  'link',
  'unlink',
  'rmdir',
  'utimensat',
] as const;

const tracers = '/opt/faults/tracers';

export async function installKillers(host: Host): Promise<void> {
  await installStandIns(host);
  await host.sh(
    `mkdir -p ${tracers}; cat > ${tracers}/tracer; chmod +x ${tracers}/tracer
    for name in drawbridge egress-policy; do ln -f ${tracers}/tracer ${tracers}/$name; done`,
    {
      input: `#!/bin/sh\nexec strace -f -qq -o "$TRACE_FILE" -e signal=none -e "trace=$TRACE_CALLS" $TRACE_MORE "${pluginFolder}/\${0##*/}"\n`,
    },
  );
}

export interface Call {
  readonly verb: string;
  readonly conf: Json;
  readonly options: CniOptions;
}

/** Runs a plugin to its end, and finds out where it could have been killed. */
export async function findPoints(
  host: Host,
  { verb, conf, options }: Call,
): Promise<{ result: CniResult; points: KillPoint[] }> {
  const { env, calls } = await brokenAt(host, -1, '', { children: false });
  const trace = { TRACE_FILE: '/opt/faults/trace', TRACE_CALLS: systemCalls.join(','), TRACE_MORE: '' };
  const result = await host.cni(verb, conf, {
    ...options,
    env: { ...env, ...trace },
    program: `${tracers}/${String(conf['type'])}`,
  });
  const count = (await calls()).length;
  const hows = ['kill-before', 'kill-while', 'kill-after'] as const;
  return {
    result,
    points: [
      ...systemCallPoints(await host.run(['cat', '/opt/faults/trace'])),
      ...Array.from({ length: count }, (_, n) => hows.map((how) => ({ kind: 'program' as const, n, how }))).flat(),
    ],
  };
}

/**
 * strace counts the calls of each thread for itself. Programs that the plugin runs make some of these calls too: their
 * threads are left out.
 */
export function systemCallPoints(trace: string): SystemCallPoint[] {
  const counts = new Map<string, number>();
  const children = new Set(Array.from(trace.matchAll(/vfork.* = (\d+)$/gmu), ([, pid]) => pid));
  for (const [, thread = '', name = ''] of trace.matchAll(/^(\d+) +(\w+)\(/gmu)) {
    if (!children.has(thread)) counts.set(`${name} ${thread}`, (counts.get(`${name} ${thread}`) ?? 0) + 1);
  }
  return systemCalls.flatMap((name) => {
    const most = Math.max(0, ...[...counts].filter(([key]) => key.startsWith(`${name} `)).map(([, count]) => count));
    return Array.from({ length: most }, (_, n) => ({ kind: 'call' as const, name, n: n + 1 }));
  });
}

/** Runs a plugin that is killed at a point; false when it ended before it got there. */
export async function killAt(host: Host, point: KillPoint, { verb, conf, options }: Call): Promise<boolean> {
  const type = String(conf['type']);
  if (point.kind === 'program') {
    const { env } = await brokenAt(host, point.n, point.how, { children: false });
    const result = await host.cni(verb, conf, { ...options, env, program: `${pluginFolder}/${type}` });
    return result.code === -9;
  }
  const trace = {
    TRACE_FILE: '/dev/null',
    TRACE_CALLS: point.name,
    TRACE_MORE: `-e inject=${point.name}:signal=KILL:when=${point.n}`,
  };
  const result = await host.cni(verb, conf, { ...options, env: { ...trace }, program: `${tracers}/${type}` });
  return result.code === -9 || result.code === 137;
}

/** Runs a plugin for which a system call fails with an error when it makes it for the nth time. */
export async function injectError(
  host: Host,
  { name, n, error }: { name: string; n: number; error: string },
  { verb, conf, options }: Call,
): Promise<CniResult> {
  const trace = {
    TRACE_FILE: '/dev/null',
    TRACE_CALLS: name,
    TRACE_MORE: `-e inject=${name}:error=${error}:when=${n}`,
  };
  return host.cni(verb, conf, { ...options, env: trace, program: `${tracers}/${String(conf['type'])}` });
}

export function describePoint(point: KillPoint): string {
  return point.kind === 'program' ? `${point.how} program ${point.n}` : `${point.name} ${point.n}`;
}
