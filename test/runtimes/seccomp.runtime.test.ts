import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { executable } from '../helpers/executable.ts';
import { makeContainerdMachine, type ContainerdMachine } from './containerd.ts';
import { imageName } from './image.ts';
import { debian, versionOf } from './tools.ts';

const root = debian('containerd');

/** A program of the host's in the container, with its libraries. */
const hostPrograms = ['/usr', '/lib', '/lib64'].flatMap((folder) => [
  '--mount',
  `type=bind,src=${folder},dst=${folder},options=rbind:ro`,
]);

const python = (program: string): string[] => ['/usr/bin/python3', '-I', '-S', '-c', program];

/** What a program needs, the tier that lets it do that, and the tier below, which refuses it. */
const programs: readonly [string, string, string | undefined, string[]][] = [
  ['a static program that prints', 'essential', undefined, ['/bin/echo', 'done']],
  ['a shell with a pipe', 'minimal', 'essential', ['/bin/sh', '-c', 'echo done | cat']],
  ['a folder that is made', 'standard', 'minimal', ['/bin/sh', '-c', 'mkdir /new && echo done']],
  ['an interpreter that starts', 'essential', undefined, python('print("done")')],
  [
    'a thread',
    'minimal',
    'essential',
    python(
      'import _thread as t; lock = t.allocate_lock(); lock.acquire(); t.start_new_thread(lock.release, ()); lock.acquire(); print("done")',
    ),
  ],
  [
    'a socket of the internet',
    'network',
    'standard',
    python('import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM); print("done")'),
  ],
  ['a call of no tier', 'unrestricted', 'network', python('import os; os.sched_rr_get_interval(0); print("done")')],
  [
    'a vsock',
    'unrestricted',
    'network',
    // A kernel without vsock says so with another error than the filter does.
    python(`
import errno, socket
try: socket.socket(40, socket.SOCK_STREAM)
except PermissionError: raise
except OSError as error: assert error.errno == errno.EAFNOSUPPORT, error
print("done")`),
  ],
  [
    'a namespace by clone',
    'unrestricted',
    'network',
    python(`
import ctypes, os, platform
clone, newuser, sigchld = {"x86_64": 56, "aarch64": 220}[platform.machine()], 0x10000000, 17
child = ctypes.CDLL(None).syscall(clone, newuser | sigchld, 0, 0, 0, 0)
if child == 0: os._exit(0)
if child > 0: print("done")`),
  ],
];

describe.skipIf(root === undefined)(`seccomp profiles under runc ${versionOf(root, 'sbin/runc')}`, () => {
  let machine: ContainerdMachine;
  beforeAll(async () => {
    machine = await makeContainerdMachine();
    for (const tier of ['essential', 'minimal', 'standard', 'network', 'unrestricted'])
      await machine.host.sh(`${executable} seccomp ${tier} > /run/${tier}.json`);
  });
  afterAll(async () => machine?.[Symbol.asyncDispose]());

  let containers = 0;
  /** Whether the program printed "done" under a tier. */
  async function works(tier: string, command: readonly string[]): Promise<boolean> {
    containers += 1;
    const client = ['ctr', 'run', '--rm', '--seccomp', '--seccomp-profile', `/run/${tier}.json`, ...hostPrograms];
    const { stdout } = await machine.exec([...client, imageName, `s${containers}`, ...command]);
    return /^done$/m.test(stdout);
  }

  test.each(programs)('%s works in tier %s; the tier that refuses it: %s', async (_need, tier, below, command) => {
    expect(await works(tier, command)).toBe(true);
    if (below !== undefined) expect(await works(below, command)).toBe(false);
  });
});
