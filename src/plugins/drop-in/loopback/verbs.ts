import { CniError, codes } from '../../../cni/errors.ts';
import type { AttachmentRequest } from '../../../cni/request.ts';
import type { Result } from '../../../cni/result.ts';
import type { PassThrough } from '../../../cni/serve.ts';
import { readInterface } from '../../../host/interfaces.ts';
import { applyCommands } from '../../../host/apply.ts';
import { LinkError } from '../../../host/link-error.ts';
import { openNetns } from '../../../host/netns.ts';
import { hasIpv6 } from '../../../host/sysctl.ts';
import { requirePrograms } from '../../status.ts';
import { passThrough } from '../section.ts';

/** The kernel makes the interface with the namespace; CNI_IFNAME is not asked, as in the reference. */
const name = 'lo';

/** Brings the container's loopback interface up. Chained, it passes the result of the others on unchanged. */
export async function add(request: AttachmentRequest): Promise<Result | PassThrough> {
  const { netns, prevResult } = request;
  openNetns(netns);
  await applyCommands([{ kind: 'setLink', name, state: 'up' }], { netns });
  if (prevResult !== undefined) return passThrough(request);
  const ips = ['127.0.0.1/8', ...(hasIpv6() ? ['::1/128'] : [])];
  return {
    interfaces: [{ name, mac: '00:00:00:00:00:00', sandbox: netns }],
    ips: ips.map((address) => ({ address, interface: 0 })),
    routes: [],
    dns: {},
  };
}

/** Takes it down; a namespace that is gone needs nothing. */
export async function del({ netns }: AttachmentRequest): Promise<void> {
  if (netns === '') return;
  try {
    await applyCommands([{ kind: 'setLink', name, state: 'down' }], { netns });
  } catch (error) {
    if (!(error instanceof LinkError && error.reason === 'netns')) throw error;
  }
}

/** Throws code 103 when it is not up. */
export async function check({ netns }: AttachmentRequest): Promise<void> {
  if ((await readInterface(name, { netns }))?.isUp === true) return;
  throw new CniError(
    codes.checkFailed,
    `The loopback interface in "${netns}" is down`,
    'Somebody took it down after ADD',
  );
}

/** It has nothing outside the namespace. */
export async function gc(): Promise<void> {}

export async function status(): Promise<void> {
  requirePrograms(['ip', 'nsenter']);
}
