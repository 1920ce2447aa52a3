import { isLinkThere } from '../../../host/interfaces.ts';
import { unshape } from '../../../host/shaping.ts';
import { planUnshaping, type ShapedRecord } from '../../../links/shaping.ts';
import type { Upkeep } from './upkeep.ts';

export const shaped: Upkeep<ShapedRecord> = {
  // The interface for what the container sends outlives the container's own.
  unlink: async ({ hostInterface, ifb }) =>
    unshape(isLinkThere(hostInterface) ? planUnshaping(hostInterface) : [], ifb),
};
