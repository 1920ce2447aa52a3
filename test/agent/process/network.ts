import type { Conflist, Container, Host, Outside } from '../../helpers/host.ts';

export interface Attached {
  readonly outside: Outside;
  readonly container: Container;
  readonly conflist: Conflist;
}

/** A conflist whose policy is this one. */
export function conflistWith(policy: Record<string, unknown>): Conflist {
  return {
    cniVersion: '1.1.0',
    name: 'lab',
    plugins: [
      {
        type: 'drawbridge',
        bridge: 'drawbridge0',
        isDefaultGateway: true,
        ipMasq: true,
        ipam: { type: 'host-local', ranges: [[{ subnet: '10.88.0.0/16' }], [{ subnet: 'fd00:88::/64' }]] },
      },
      { type: 'egress-policy', ...policy },
    ],
  } as Conflist;
}

/** A container under a policy, with servers outside at 8.8.8.8 and 9.9.9.9, port 80. */
export async function attach(host: Host, policy: Record<string, unknown>): Promise<Attached> {
  const outside = await host.outside();
  await outside.address('8.8.8.8', '9.9.9.9');
  await host.serve(outside, { port: 80, reply: 'hello' });
  const conflist = conflistWith(policy);
  const container = await host.container();
  const added = await host.addChain(conflist, { container });
  if (added.error !== undefined) throw new Error(JSON.stringify(added.error));
  return { outside, container, conflist };
}
