/** Where runtimes look; the name sorts before what other networks leave there. */
export const conflistFile = '/etc/cni/net.d/10-drawbridge.conflist';

/**
 * The network of a node, as text.
 *
 * @param ranges of the node's pods.
 * @param direct networks that pods reach with their own addresses: those of all pods.
 */
export function conflistText(ranges: readonly string[], direct: readonly string[]): string {
  const list = {
    cniVersion: '1.0.0',
    cniVersions: ['1.0.0', '1.1.0'],
    name: 'kubernetes',
    plugins: [
      {
        type: 'drawbridge',
        kubernetes: true,
        routed: true,
        isDefaultGateway: true,
        ipMasq: true,
        noMasquerade: direct,
        awaitsPolicy: false,
        ipam: { type: 'host-local', ranges: ranges.map((subnet) => [{ subnet }]) },
        capabilities: { portMappings: true },
      },
    ],
  };
  return `${JSON.stringify(list, undefined, 2)}\n`;
}
