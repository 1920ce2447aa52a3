/**
 * What one address costs: ours and the reference's host-local, in an empty /16 and in one with 60,000 leases.
 * Run it as root: `node bench/ipam.ts [--json]`. It makes mounts of its own for /run and /var/lib, and leases in a
 * temporary folder.
 *
 * Ours is the work alone, in a process that is running already; the reference can only be called as a process, and what
 * starting that costs shows in the empty network. "marker lost" is our worst case: the file that says which address was
 * given last is gone, so the search begins in front of all leases.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Fields } from '../src/cni/fields.ts';
import { formatAddress, networkPlus, parsePrefix } from '../src/ip/address.ts';
import { addressOf } from '../src/ip/prefix.ts';
import { release, reserve } from '../src/ipam/leases.ts';
import { parseIpam } from '../src/ipam/ranges.ts';

const built = join(import.meta.dirname, '../test/.cache/bin/reference-v1.9.1/host-local');
const hostLocal = [built, '/opt/cni/bin/host-local', '/usr/lib/cni/host-local'].find((file) => existsSync(file));
const subnet = '10.88.0.0/16';
const rounds = 40;
const network = 'bench';

interface Row {
  who: string;
  leases: number;
  'reserve, ms': string;
  'release, ms': string;
}

const [mode] = process.argv.slice(2);
if (mode === 'inside') console.table(await measureAll());
else if (mode === 'inside-json') console.log(JSON.stringify(await measureAll()));
else enterOwnMounts(mode === '--json' ? 'inside-json' : 'inside');

function enterOwnMounts(next: string): void {
  const mounts = 'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib && exec "$@"';
  const args = [
    '-m',
    '--propagation',
    'private',
    'sh',
    '-c',
    mounts,
    'sh',
    process.execPath,
    import.meta.filename,
    next,
  ];
  process.exitCode = spawnSync('unshare', args, { stdio: 'inherit' }).status ?? 1;
}

async function measureAll(): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-ipam-'));
  try {
    const rows: Row[] = [];
    for (const leases of [0, 60_000]) {
      fill(`${folder}/${leases}`, leases);
      rows.push(await measureOurs(`${folder}/${leases}`, { leases, keepMarker: true }));
      if (leases > 0) rows.push(await measureOurs(`${folder}/${leases}`, { leases, keepMarker: false }));
      if (hostLocal !== undefined) rows.push(measureReference(`${folder}/${leases}`, { file: hostLocal, leases }));
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Leases of other containers, one after the other from the first address on, as they stand in a busy network. */
function fill(dataDir: string, leases: number): void {
  const prefix = parsePrefix(subnet);
  mkdirSync(`${dataDir}/${network}`, { recursive: true });
  for (let host = 2; host < leases + 2; host++)
    writeFileSync(`${dataDir}/${network}/${formatAddress(networkPlus(prefix, host))}`, `other${host}\r\neth0`, {
      mode: 0o600,
    });
  writeFileSync(`${dataDir}/${network}/last_reserved_ip.0`, formatAddress(networkPlus(prefix, leases + 1)));
}

async function measureOurs(
  dataDir: string,
  { leases, keepMarker }: { leases: number; keepMarker: boolean },
): Promise<Row> {
  const conf = parseIpam(new Fields({ subnet, dataDir }, 'ipam'));
  const times: { reserve: number[]; release: number[] } = { reserve: [], release: [] };
  for (let round = 0; round < rounds; round++) {
    const who = { network, containerId: `c${round}`, ifname: 'eth0' };
    if (!keepMarker) rmSync(`${dataDir}/${network}/last_reserved_ip.0`, { force: true });
    let begin = performance.now();
    const reserved = await reserve(conf, who, { requested: [] });
    times.reserve.push(performance.now() - begin);
    begin = performance.now();
    release(
      dataDir,
      who,
      reserved.map(({ address }) => addressOf(address)),
    );
    times.release.push(performance.now() - begin);
  }
  return row(keepMarker ? 'drawbridge' : 'drawbridge, marker lost', leases, times);
}

function measureReference(dataDir: string, { file, leases }: { file: string; leases: number }): Row {
  const times: { reserve: number[]; release: number[] } = { reserve: [], release: [] };
  const input = JSON.stringify({
    cniVersion: '0.4.0',
    name: network,
    type: 'bridge',
    ipam: { type: 'host-local', subnet, dataDir },
  });
  for (let round = 0; round < (leases === 0 ? rounds : 7); round++) {
    for (const [command, list] of [
      ['ADD', times.reserve],
      ['DEL', times.release],
    ] as const) {
      const env = {
        CNI_COMMAND: command,
        CNI_CONTAINERID: `r${round}`,
        CNI_IFNAME: 'eth0',
        CNI_NETNS: '/proc/self/ns/net',
        CNI_PATH: '/',
        CNI_NETNS_OVERRIDE: '1',
      };
      const begin = performance.now();
      const { status, stdout } = spawnSync(file, { input, env, encoding: 'utf8' });
      list.push(performance.now() - begin);
      if (status !== 0) throw new Error(`${file} ${command}: ${stdout}`);
    }
  }
  return row('host-local', leases, times);
}

function row(who: string, leases: number, times: { reserve: number[]; release: number[] }): Row {
  return { who, leases, 'reserve, ms': median(times.reserve), 'release, ms': median(times.release) };
}

function median(times: readonly number[]): string {
  return (times.toSorted((one, other) => one - other)[times.length >> 1] ?? 0).toFixed(2);
}
