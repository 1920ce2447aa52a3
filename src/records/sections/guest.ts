import { initArgument, kernelArgument } from '../../links/tap.ts';
import type { AddressRecord } from '../record.ts';
import type { Guest } from './section.ts';

/** What a guest is told, of what is known of its attachment; `networks` are those around its addresses. */
export function guestOf({
  networks,
  ...known
}: Pick<Guest, 'tap' | 'mac' | 'nameservers'> & {
  readonly addresses: readonly AddressRecord[];
  readonly networks: readonly string[];
}): Guest {
  const forKernel = kernelArgument({ ...known, networks });
  const forInit = initArgument(known.addresses);
  return {
    ...known,
    ...(forKernel === undefined ? {} : { kernelArgument: forKernel }),
    ...(forInit === undefined ? {} : { initArgument: forInit }),
  };
}
