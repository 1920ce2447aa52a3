import type { Request } from '../cni/request.ts';
import { parseDataDir } from './ranges.ts';

/** What the conf of a request says, as far as a DEL has to know it: whatever else is wrong with it does not matter. */
export function ipamOf({ config }: Request): { type: string; dataDir?: string } {
  const ipam = config.fields.object('ipam');
  const type = ipam?.string('type') ?? '';
  return ipam !== undefined && type === 'host-local' ? { type, dataDir: parseDataDir(ipam) } : { type };
}
