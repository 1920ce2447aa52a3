import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';

/** One line: processor, kernel, versions of what takes part, and how busy the machine was at the end. */
export function machine(): string {
  const [first] = cpus();
  const distribution = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  const parts = [
    `${cpus().length} x ${first?.model ?? 'processor'}`,
    `kernel ${release()}`,
    distribution,
    versionOf('nft', ['--version']),
    versionOf('iptables', ['--version']),
    'reference plugins v1.9.1',
    `load ${loadavg()[0]?.toFixed(1)}`,
  ];
  return parts.join(', ');
}

function versionOf(program: string, args: readonly string[]): string {
  try {
    const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
    const text = execFileSync(program, args, { encoding: 'utf8', env: { ...process.env, PATH: path } });
    return `${program} ${/v?(\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1] ?? ''}`;
  } catch {
    return `${program} is not installed`;
  }
}
