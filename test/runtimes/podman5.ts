import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pluginFolder as builtFolder } from '../helpers/executable.ts';
import { makeMachine, until, writeImage, type Machine } from './machine.ts';

/** Debian 13 with its podman, netavark and aardvark-dns, unpacked by test/userlands/roots.sh. */
const root = join(import.meta.dirname, '../.cache/userlands/podman');

/** Whether that root is here. */
export const hasPodman5 = existsSync(join(root, 'usr/bin/podman'));

/** Version of a package of that root. */
export function podman5Version(name: string): string {
  if (!hasPodman5) return '';
  const status = readFileSync(join(root, 'var/lib/dpkg/status'), 'utf8');
  return new RegExp(`^Package: ${name}\\n(?:.+\\n)*?Version: ([^\\n+~-]+)`, 'm').exec(status)?.[1] ?? '';
}

/** A machine with podman 5 in a root of its own: same network namespaces and control groups, other files. */
export interface Podman5Machine extends Machine {
  podman(...words: readonly string[]): Promise<string>;
  /** Runs a command of ours where podman runs. */
  drawbridge(...words: readonly string[]): Promise<string>;
  /** Runs any command there. */
  inside(...words: readonly string[]): Promise<string>;
}

/** Makes it, with the image in podman's store, and drawbridge as a network driver of netavark. */
export async function makePodman5Machine(): Promise<Podman5Machine> {
  const machine = await makeMachine([]);
  try {
    const image = await writeImage(machine);
    await machine.sh(`cat > /run/podman-root <<'END'\n${rootScript(image)}\nEND\nchmod 755 /run/podman-root`);
    const holder = await machine.spawn(['unshare', '--mount', '--propagation', 'private', '/run/podman-root']);
    const mounts = `/proc/${holder.pid}/ns/mnt`;
    const inside = ['nsenter', `--mount=${mounts}`, '--'];
    await until('the root is made', async () => (await machine.exec([...inside, 'test', '-e', '/ready'])).code === 0);
    const podman: Podman5Machine['podman'] = async (...words) =>
      (await machine.run([...inside, 'podman', ...words])).trim();
    await podman('load', '-i', '/image.tar');
    await machine.host.takeBaseline();
    return {
      ...machine,
      podman,
      inside: (...words) => machine.run([...inside, ...words]),
      drawbridge: (...words) => machine.run([...inside, '/opt/cni/bin/drawbridge', ...words]),
    };
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
}

/** Makes the root of the mount namespace that it is started in, and stays there. */
function rootScript(image: string): string {
  return `#!/bin/sh -e
mkdir -p /run/podman5/new /run/podman5/work /run/podman5/root
new=/run/podman5/root
mount -t overlay overlay -o lowerdir=${root},upperdir=/run/podman5/new,workdir=/run/podman5/work $new
mkdir -p $new/oldroot $new/opt/cni/bin $new/usr/lib/netavark $new/etc/containers
mount --bind ${builtFolder} $new/opt/cni/bin
ln -s /opt/cni/bin/drawbridge $new/usr/lib/netavark/drawbridge
cp ${image} $new/image.tar
mount -t proc proc $new/proc
mount --rbind /sys $new/sys
mount --rbind /dev $new/dev
for folder in run tmp var/tmp var/lib/containers; do mkdir -p $new/$folder; mount -t tmpfs -o mode=1777 tmpfs $new/$folder; done
chmod 755 $new/run
cat > $new/etc/containers/containers.conf <<'END2'
[network]
network_backend = "netavark"
firewall_driver = "nftables"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
END2
cat > $new/etc/containers/storage.conf <<'END2'
[storage]
driver = "vfs"
graphroot = "/run/podman/root"
runroot = "/run/podman/run"
END2
echo '{"default":[{"type":"insecureAcceptAnything"}]}' > $new/etc/containers/policy.json
cd $new
pivot_root . oldroot
umount -l /oldroot
touch /ready
exec sleep 100000`;
}
