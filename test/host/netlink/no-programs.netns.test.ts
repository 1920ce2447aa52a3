/** Where our tables stand, nothing but the executable is needed: a host without programs attaches containers. */
import { describe, expect, test, type Host, type Json } from '../../helpers/host.ts';
import { expectFailure, interfaceConf, succeeded } from '../../plugins/drawbridge/network.ts';

const published = {
  runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
};

const confs: [string, Json][] = [
  ['without a policy', {}],
  ['with a published port', published],
  ['with a policy and a published port', { ...published, egress: { mode: 'restricted' } }],
  ['with a policy that lists', { egress: { allow: ['198.51.100.0/24:443'], deny: ['203.0.113.9'] } }],
];

/** What a copy of nft, which nobody finds, lists. */
async function containersListed(host: Host): Promise<string[]> {
  const text = await host.run(['/run/nft', 'list', 'set', 'inet', 'drawbridge', 'containers4']);
  return [...text.matchAll(/10\.1\.0\.\d+/g)].map(([address]) => address).toSorted();
}

/** Hides every program that a plugin may start, in the mount namespace of this host alone. */
async function hidePrograms(host: Host): Promise<void> {
  await host.sh(`touch /run/none
    for program in nft ip bridge tc nsenter unshare tee conntrack iptables ip6tables iptables-save ip6tables-save; do
      for file in $(which -a $program); do mount --bind /run/none "$(readlink -f $file)"; done
    done`);
}

describe.each(confs)('on a host without programs, %s,', (_, changes) => {
  test('ADD, CHECK and DEL work beside a container that is there', async ({ host }) => {
    const conf = interfaceConf(changes);
    const other = interfaceConf({ ...changes, runtimeConfig: {} });
    const [first, second] = [await host.container(), await host.container()];
    const prevResult = succeeded(await host.cni('ADD', other, { container: first }));
    succeeded(await host.cni('CHECK', { ...other, prevResult }, { container: first }));
    await host.sh('cat "$(readlink -f "$(command -v nft)")" > /run/nft; chmod +x /run/nft');
    await hidePrograms(host);
    const result = succeeded(await host.cni('ADD', conf, { container: second }));
    succeeded(await host.cni('CHECK', { ...conf, prevResult: result }, { container: second }));
    expect(await host.ping(second, '10.1.0.1')).toBe('answer');
    expect(await containersListed(host)).toEqual(['10.1.0.2', '10.1.0.3']);
    succeeded(await host.cni('DEL', conf, { container: second }));
    expect(await containersListed(host)).toEqual(['10.1.0.2']);
  });
});

test.for([
  ['a tap in the namespace', { tap: true }, true],
  ['a tap on the host', { tap: { onHost: true } }, false],
] as const)('on a host without programs ADD, CHECK and DEL of %s work', async ([, tap, isInside], { host }) => {
  const [first, second] = [await host.container(), await host.container()];
  const conf = interfaceConf({ ...tap, egress: { mode: 'restricted' } });
  const place = isInside ? { container: second } : { containerId: 'vm', netns: '/proc/self/ns/net' };
  const other = interfaceConf({ egress: { mode: 'restricted' } });
  const found = succeeded(await host.cni('ADD', other, { container: first }));
  succeeded(await host.cni('CHECK', { ...other, prevResult: found }, { container: first }));
  await hidePrograms(host);
  const prevResult = succeeded(await host.cni('ADD', conf, place));
  succeeded(await host.cni('CHECK', { ...conf, prevResult }, place));
  succeeded(await host.cni('DEL', conf, place));
});

test('the first ADD of a host without programs is told what is missing', async ({ host }) => {
  await hidePrograms(host);
  const container = await host.container();
  expectFailure(await host.cni('ADD', interfaceConf(), { container }), 100, /the program "nft" is not installed/);
});
