import { readFileSync } from 'node:fs';
import type { Daemon, Place } from '../helpers/private-host.ts';
import type { Conflist, Json } from '../helpers/runtime.ts';
import { makeMachine, until, writeImage, type Machine } from './machine.ts';
import { imageName } from './image.ts';
import { client, debian } from './tools.ts';

/** A machine on which containerd runs, with the image in the namespaces of its clients. */
export interface ContainerdMachine extends Machine {
  /** The daemon that runs now. */
  daemon(): Daemon;
  /** Ends containerd as a crash does, and starts it again. */
  crash(): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** With the CRI plugin; overlayfs on the host's /run, which is a tmpfs. */
const debianConfig = `
version = 2
root = "/run/containerd-root"
state = "/run/containerd-state"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${imageName}"
  # A machine for tests may lack CAP_SYS_RESOURCE, without which the score of a pod cannot be lowered.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    pod_annotations = ["drawbridge/*"]
`;

/** The same in the words of containerd 2. */
const newConfig = `
version = 3
root = "/run/containerd-root"
state = "/run/containerd-state"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "${imageName}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    pod_annotations = ["drawbridge/*"]
`;

/**
 * Debian's containerd, with its runc and `ctr`; with `isNew` the containerd that was built of its module in its place.
 */
export async function makeContainerdMachine({ isNew = false } = {}): Promise<ContainerdMachine> {
  const machine = await makeMachine([debian('containerd')!]);
  const file = await writeImage(machine);
  const tools = (['crictl', 'nerdctl'] as const).flatMap((name) =>
    client(name) === undefined ? [] : [`ln -s ${client(name)!} /run/tools/${name}`],
  );
  await machine.sh(`
    mkdir -p /run/tools /etc/containerd
    ${tools.join('\n')}
    ${isNew ? `ln -s ${client('containerd')!}/* /run/tools/` : ''}
    cat > /etc/containerd/config.toml <<'END'
${isNew ? newConfig : debianConfig}
END
    cat > /etc/crictl.yaml <<'END'
runtime-endpoint: unix:///run/containerd/containerd.sock
image-endpoint: unix:///run/containerd/containerd.sock
END`);
  let daemon: Daemon;
  const start = async () => {
    daemon = await machine.spawn(['containerd']);
    await until('containerd answers', async () => (await machine.exec(['ctr', 'version'])).code === 0);
  };
  const kill = async () => void (await daemon.stop(9));
  await start();
  for (const namespace of ['default', 'k8s.io']) await machine.run(['ctr', '-n', namespace, 'image', 'import', file]);
  await machine.host.takeBaseline();
  return Object.assign(machine, {
    daemon: () => daemon,
    start,
    kill,
    crash: async () => {
      await kill();
      await start();
    },
  });
}

/** Writes a network where the runtimes look for it. */
export async function writeNetwork(machine: Machine, file: string, conflist: Conflist): Promise<void> {
  await machine.run(['tee', `/etc/cni/net.d/${file}`], { input: JSON.stringify(conflist) });
}

/** A list of conf/ as it is shipped: the libcni of Debian's containerd and podman knows no version after 1.0.0. */
export function shipped(name: string, change: (plugins: Json[]) => void = () => {}): Conflist {
  const text = readFileSync(new URL(`../../conf/${name}`, import.meta.url), 'utf8');
  const conflist = JSON.parse(text) as Conflist & { plugins: Json[] };
  change(conflist.plugins);
  return conflist;
}

/** What stays by design: the bridges, what we know of them, and when leases were last used. */
const kept = [
  /\/run\/drawbridge\/bridges\//,
  /link (?:drawbridge0|cni0|nerdctl0|br-[0-9a-f]{12}|cni-podman\d)$/,
  /\/var\/lib\/drawbridge\/boot\//,
];

/**
 * What is left on the machine besides (of an nft table only its name), once it has come to rest: clients answer before
 * their shims are done.
 */
export async function leftBehind(machine: Machine, allow: readonly RegExp[] = []): Promise<string[]> {
  let left: string[] = [];
  await until(
    'nothing is left',
    async () => {
      left = (await machine.host.leftovers({ allow: [...kept, ...allow] })).filter(
        (line) => !/nft table .*:/.test(line),
      );
      return left.length === 0;
    },
    5,
  ).catch(() => {});
  return left;
}

/** The network namespace of a process of the host. */
export function netnsOf(pid: string | number): Place {
  return { netns: `/proc/${String(pid).trim()}/ns/net` };
}
