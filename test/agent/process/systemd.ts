/**
 * systemd as process 1 of a process namespace inside of a private host, with the agent's unit and a few of its own: its
 * mounts and cgroups are its own too, its network is that of the host.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { executable } from '../../helpers/executable.ts';
import type { Host } from '../../helpers/private-host.ts';
import { until } from './agent.ts';

export interface Systemd extends AsyncDisposable {
  /** Runs systemctl. A failure is an error. */
  ctl(...args: readonly string[]): Promise<string>;
  /** Runs a program among its processes. */
  run(...cmd: readonly string[]): Promise<string>;
  /** Properties of the agent's unit, as `systemctl show` prints them. */
  show(...names: readonly string[]): Promise<Record<string, string>>;
  /** What the agent's unit printed. */
  log(): Promise<string>;
}

/** Units that systemd itself brings and that touch nothing of the machine. */
const kept = [
  'basic.target',
  'sysinit.target',
  'sockets.target',
  'timers.target',
  'paths.target',
  'slices.target',
  'local-fs.target',
  'local-fs-pre.target',
  'swap.target',
  'network-pre.target',
  'network.target',
  'multi-user.target',
  'shutdown.target',
  'umount.target',
  'final.target',
  'poweroff.target',
  'exit.target',
  'systemd-exit.service',
];

/** A firewall's unit as distributions have it: it takes away everybody's rules when it starts and when it reloads. */
const firewall = (name: string): string => `[Unit]
Description=${name}
Wants=network-pre.target
Before=network-pre.target shutdown.target
DefaultDependencies=no
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft flush ruleset
ExecReload=/usr/sbin/nft flush ruleset
`;

/** Ready when the agent's unit is, or has failed. `drop` is a drop-in for it. */
export async function startSystemd(host: Host, drop = ''): Promise<Systemd> {
  const unit = readFileSync(join(import.meta.dirname, '../../../conf/drawbridge-agent.service'), 'utf8');
  const dropIn = `${drop}\n[Service]\nStandardError=append:/run/agent.log\n`;
  await host.sh(`mkdir -p /run/units /opt/cni/bin && touch /opt/cni/bin/drawbridge
    mount --bind ${executable} /opt/cni/bin/drawbridge`);
  const write = async (file: string, text: string): Promise<void> =>
    void (await host.run(['/bin/sh', '-ec', `mkdir -p $(dirname ${file}) && cat > ${file}`], { input: text }));
  await write('/run/units/drawbridge-agent.service', unit);
  await write('/run/units/drawbridge-agent.service.d/lab.conf', dropIn);
  for (const name of ['nftables', 'firewalld']) await write(`/run/units/${name}.service`, firewall(name));
  await write(
    '/run/units/lab.target',
    '[Unit]\nRequires=basic.target nftables.service\nWants=drawbridge-agent.service\nAfter=drawbridge-agent.service\n',
  );
  await write('/run/boot', boot);
  const daemon = await host.spawn(['/bin/bash', '/run/boot']);
  const systemd: Systemd = {
    ctl: (...args) => systemd.run('systemctl', '--no-pager', ...args),
    run: (...cmd) => host.run(['/bin/sh', '/run/enter', ...cmd], { timeout: 40_000 }),
    show: async (...names) => {
      const text = await systemd.ctl('show', 'drawbridge-agent', `--property=${names.join(',')}`);
      return Object.fromEntries(
        text
          .trim()
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      );
    },
    log: () => host.run(['cat', '/run/agent.log']),
    [Symbol.asyncDispose]: async () => {
      await daemon.stop(9);
      await host.exec(['/bin/bash', '/run/boot', 'clean']);
    },
  };
  try {
    await until(async () => {
      if (!(await daemon.running())) throw new Error(`systemd ended: ${await host.run(['cat', daemon.log])}`);
      const shown = await systemd.show('ActiveState').catch((): Record<string, string> => ({}));
      return ['active', 'failed'].includes(shown['ActiveState'] ?? '');
    }, 30_000);
  } catch (error) {
    const log = await systemd.log().catch(() => '');
    await systemd[Symbol.asyncDispose]();
    throw new Error(`The agent's unit is not active: ${log}`, { cause: error });
  }
  return systemd;
}

/**
 * A cgroup of its own, of which systemd sees the inside as the root; then its namespaces. It finds no unit but the
 * few that it needs, and no hardware. "clean" takes the cgroup away.
 */
const boot = `set -e
mount -t cgroup2 cgroup2 /mnt
own=/mnt/drawbridge-lab-$(readlink /proc/self/ns/net | tr -dc 0-9)
if [ "\${1-}" = clean ]; then
  for try in 1 2 3 4 5; do find $own -depth -type d -exec rmdir {} + 2>/dev/null && break; sleep 0.2; done
  umount /mnt
  exit
fi
mkdir -p $own
echo 0 > $own/cgroup.procs
umount /mnt
unshare --mount --pid --fork --cgroup --ipc --uts --kill-child /bin/bash -ec '
mount --make-rprivate /
mount -t proc proc /proc
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/kept
for unit in ${kept.join(' ')}; do cp /usr/lib/systemd/system/$unit /run/kept/; done
mount --bind /run/kept /usr/lib/systemd/system
mount -t tmpfs tmpfs /tmp
rm -rf /etc/systemd/system && mkdir /etc/systemd/system && cp -r /run/units/. /etc/systemd/system/
echo 0123456789abcdef0123456789abcdef > /etc/machine-id
export container=lab
exec /usr/lib/systemd/systemd --system --unit=lab.target --log-target=console </dev/null
' &
for try in $(seq 50); do
  child=$(pgrep -P $! || true)
  if [ -n "$child" ]; then printf '%s\\n' "exec nsenter --target $child --mount --pid --cgroup --ipc --uts -- \\"\\$@\\"" > /run/enter; break; fi
  sleep 0.1
done
wait $!
`;
