/**
 * What an interface was before it was tuned, in the reference's form, so that either plugin undoes the other's work:
 *
 *   <dataDir>/<container id>_<ifname>.json   {"mac": "…", "promisc": false, "mtu": 1500, "allmulti": false, "txQLen":
 *                                            1000}
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { CniError, codes } from '../../../cni/errors.ts';
import { Fields } from '../../../cni/fields.ts';
import type { AttachmentId } from '../../../cni/request.ts';
import type { LinkTuning } from './conf.ts';
import { systemReason } from '../../../text/system-error.ts';

/** Throws code 5. */
export function writeBackup(dataDir: string, who: AttachmentId, before: LinkTuning): void {
  const file = fileOf(dataDir, who);
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    writeFileSync(file, JSON.stringify(before), { mode: 0o600 });
  } catch (cause) {
    throw new CniError(
      codes.ioFailure,
      `Cannot write "${file}": ${systemReason(cause)}`,
      'Make "dataDir" a writable folder',
      { cause },
    );
  }
}

/** Undefined when there is none, and when it cannot be read: then there is nothing to go back to. */
export function readBackup(dataDir: string, who: AttachmentId): LinkTuning | undefined {
  try {
    const fields = new Fields(JSON.parse(readFileSync(fileOf(dataDir, who), 'utf8')));
    const mac = fields.string('mac') ?? '';
    const mtu = fields.integer('mtu') ?? 0;
    const promisc = fields.boolean('promisc');
    const allmulti = fields.boolean('allmulti');
    const txQLen = fields.integer('txQLen');
    return {
      ...(/^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/iu.test(mac) ? { mac } : {}),
      ...(mtu > 0 ? { mtu } : {}),
      ...(promisc === undefined ? {} : { promisc }),
      ...(allmulti === undefined ? {} : { allmulti }),
      ...(txQLen === undefined ? {} : { txQLen }),
    };
  } catch {
    return undefined;
  }
}

export function removeBackup(dataDir: string, who: AttachmentId): void {
  rmSync(fileOf(dataDir, who), { force: true });
}

function fileOf(dataDir: string, { containerId, ifname }: AttachmentId): string {
  return `${dataDir}/${containerId}_${ifname}.json`;
}
