import { shipped, writeNetwork } from './containerd.ts';
import { makeMachine, writeImage, type Machine } from './machine.ts';
import { debian } from './tools.ts';

/** A machine with Debian's podman and its CNI backend, the image, and the shipped network with addresses of its own. */
export async function makePodmanMachine(): Promise<Machine> {
  const machine = await makeMachine([debian('podman')!]);
  const file = await writeImage(machine);
  await machine.sh(`
      mkdir -p /etc/containers
      cat > /etc/containers/containers.conf <<'END'
[network]
network_backend = "cni"
cni_plugin_dirs = ["/opt/cni/bin"]
network_config_dir = "/etc/cni/net.d"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
END
      cat > /etc/containers/storage.conf <<'END'
[storage]
driver = "overlay"
graphroot = "/run/podman/root"
runroot = "/run/podman/run"
END
      echo '{"default":[{"type":"insecureAcceptAnything"}]}' > /etc/containers/policy.json`);
  // podman's own default network has the addresses of the shipped one.
  const network = shipped(
    '10-drawbridge.conflist',
    ([plugin]) =>
      (plugin!['ipam'] = {
        type: 'host-local',
        ranges: [[{ subnet: '10.98.0.0/16' }], [{ subnet: 'fd00:98::/64' }]],
      }),
  );
  await writeNetwork(machine, '10-drawbridge.conflist', network);
  await machine.run(['podman', 'load', '-i', file]);
  await machine.host.takeBaseline();
  return machine;
}
