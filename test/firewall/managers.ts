import type { Daemon, Host } from '../helpers/host.ts';
import { provide, unpack } from './packages.ts';

/** Real firewall managers, unpacked and never installed; undefined where no package can be had. */
export const ufw = unpack('ufw');
export const firewalld = unpack('firewalld');

export async function startUfw(host: Host): Promise<void> {
  await provide(host, ufw!);
  await host.sh(`
    cd /usr/share/ufw; cp ufw.conf before.rules before6.rules after.rules after6.rules /etc/ufw/ 2>/dev/null || true
    cp iptables/*.rules /etc/ufw/; cp before.init after.init ufw.conf /etc/ufw/; cp -n user*.rules iptables/user*.rules /etc/ufw/ || true
    ufw --force enable; ufw reload`);
}

/** Its own bus and daemon, in the host's namespaces. */
export async function startFirewalld(host: Host): Promise<Daemon> {
  await provide(host, firewalld!);
  await host.sh(`mkdir -p /run/dbus; cat > /run/bus.conf <<'END'
    <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
    <busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
    <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow send_type="signal"/>
      <allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
      <allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/></policy></busconfig>
END`);
  await host.spawn(['dbus-daemon', '--config-file=/run/bus.conf', '--nofork', '--nopidfile']);
  await host.sh('until [ -S /run/dbus/system_bus_socket ]; do sleep 0.02; done');
  const daemon = await host.spawn(['/usr/sbin/firewalld', '--nofork', '--nopid']);
  await host.sh(`until firewall-cmd --state >/dev/null 2>&1; do sleep 0.1; done`).catch(async () => {
    throw new Error(`firewalld does not start: ${await host.run(['cat', daemon.log])}`);
  });
  return daemon;
}
