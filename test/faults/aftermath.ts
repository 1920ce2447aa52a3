/** What a runtime does after a plugin was killed, and whether the host is then as it should be. */
import type { Container, Host, Server } from '../helpers/host.ts';
import { attachmentsLeft, conflist, forbidden, locksLeft, options, outcome, reboot } from './network.ts';

export const followUps = [
  'retry',
  'DEL',
  'DEL without namespace',
  'GC with an empty list',
  'GC without a list',
  'reboot',
] as const;

export type FollowUp = (typeof followUps)[number];

/** Milliseconds in which an ADD has to begin and end, whatever was killed before it. */
const atOnce = 5_000;

/** Does what is asked for with a container whose plugin was killed; returns what went wrong. */
export async function follow(host: Host, container: Container, followUp: FollowUp, verb: string): Promise<string[]> {
  const expectSuccess = (what: string, result: Parameters<typeof outcome>[0]): string[] =>
    result.code === 0 ? [] : [`${what}: ${outcome(result)}`];
  switch (followUp) {
    case 'retry': {
      if (verb !== 'ADD')
        return expectSuccess('DEL', await host.delChain(conflist, { ...options(container), result: null }));
      let again = await host.addChain(conflist, options(container));
      if (again.error?.['code'] === 102) {
        // The interface plugin had done its work: an interface is added once.
        const deleted = expectSuccess('DEL', await host.delChain(conflist, { ...options(container), result: null }));
        if (deleted.length > 0) return deleted;
        again = await host.addChain(conflist, options(container));
      }
      return [
        ...expectSuccess('ADD again', again),
        ...expectSuccess('CHECK', await host.checkChain(conflist, options(container))),
        ...expectSuccess('DEL', await host.delChain(conflist, options(container))),
      ];
    }
    case 'DEL':
      return expectSuccess('DEL', await host.delChain(conflist, { ...options(container), result: null }));
    case 'DEL without namespace':
      await container.remove();
      return expectSuccess(
        'DEL',
        await host.delChain(conflist, { containerId: container.name, netns: '', result: null }),
      );
    case 'GC with an empty list':
      await container.remove();
      return expectSuccess('GC', await host.gcChain(conflist, []));
    case 'GC without a list':
      await container.remove();
      await linksGone(host);
      return expectSuccess('GC', await host.gcChain(conflist, undefined));
    case 'reboot':
      await reboot(host, [container]);
      return [];
  }
}

/**
 * A lease that has no address yet: passed over by everybody, and taken away by a GC when it is older than ten seconds.
 */
function isUnfinishedLease(line: string): boolean {
  return /^\+ lease \S+\/\.drawbridge-[0-9a-f]{16}$/u.test(line);
}

/**
 * Files that were not finished, hints without a record, notes on who had a lock: nobody minds them, and the next GC
 * takes them.
 */
function isHarmless(line: string): boolean {
  return /^\+ file \/run\/drawbridge\/(?:ports|addresses|shared|locks|listings|\.|\w+\/\.|\w+\/\w+\.json\.\d+$)/u.test(
    line,
  );
}

/** The kernel takes the links of a namespace away a little later than the namespace. */
async function linksGone(host: Host): Promise<void> {
  await host.sh('for i in $(seq 300); do ls /sys/class/net | grep -q ^veth || exit 0; sleep 0.05; done');
}

/**
 * A new container is connected at once, is as it should be and goes without a trace; after that nothing at all is left.
 */
export async function inspect(host: Host, followUp: FollowUp): Promise<{ problems: string[]; ms: number }> {
  // A lease of the moment before a reboot is freed by the first ADD after it.
  const before =
    followUp === 'reboot'
      ? []
      : (await attachmentsLeft(host))
          .filter((line) => !isHarmless(line) && !isUnfinishedLease(line))
          .map((line) => `left: ${line}`);
  const container = await host.container();
  const begin = performance.now();
  const added = await host.addChain(conflist, options(container));
  const ms = performance.now() - begin;
  const checked = await host.checkChain(conflist, options(container));
  const deleted = await host.delChain(conflist, options(container));
  await container.remove();
  await host.sh('find /run/drawbridge -mindepth 1 -exec touch -d -1hour {} +');
  const collected = await host.gcChain(conflist, []);
  return {
    ms,
    problems: [
      ...before,
      ...(added.code === 0 ? [] : [`new ADD: ${outcome(added)}`]),
      ...(ms < atOnce ? [] : [`new ADD took ${Math.round(ms)} ms`]),
      ...(checked.code === 0 ? [] : [`new CHECK: ${outcome(checked)}`]),
      ...(deleted.code === 0 ? [] : [`new DEL: ${outcome(deleted)}`]),
      ...(collected.code === 0 ? [] : [`last GC: ${outcome(collected)}`]),
      ...(await attachmentsLeft(host))
        .filter((line) => !isUnfinishedLease(line))
        .map((line) => `left at the end: ${line}`),
      ...(await locksLeft(host)).map((line) => `lock left at the end: ${line}`),
    ],
  };
}

/** Whether something of a container comes through to where its policy forbids it to go. */
export async function leaks(host: Host, container: Container, server: Server): Promise<string[]> {
  const before = (await server.peers()).length;
  await host.fetch(container, forbidden, server.port, { proto: 'udp', timeout: 60 }).catch(() => undefined);
  return (await server.peers()).length === before ? [] : [`a packet of ${container.name} reached ${forbidden}`];
}
