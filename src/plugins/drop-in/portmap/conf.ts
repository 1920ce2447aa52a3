import { CniError, codes } from '../../../cni/errors.ts';
import type { NetworkConf } from '../../../cni/request.ts';
import { parseRuntimeConfig } from '../../../cni/runtime-config.ts';
import { parsePortMappings, parseSnat } from '../../../ports/conf.ts';
import type { PortMapping } from '../../../ports/mapping.ts';
import { refuseUnsupported } from '../refuse.ts';

export interface PortmapConf {
  readonly ports: readonly PortMapping[];
  readonly snat: boolean;
}

/**
 * Reads the keys of the reference portmap. Throws code 2 for what only its iptables back end can do, and code 7 for
 * values that are wrong.
 */
export function parsePortmapConf({ fields }: NetworkConf): PortmapConf {
  refuseUnsupported(fields, 'backend', 'Ports are published by nftables only: leave the key out, or write "nftables"', [
    'nftables',
  ]);
  for (const key of ['conditionsV4', 'conditionsV6']) {
    refuseUnsupported(
      fields,
      key,
      'Extra conditions are not supported; "hostIP" of a mapping limits it to an address of the host',
    );
  }
  return { ports: parsePortMappings(parseRuntimeConfig(fields).portMappings), snat: parseSnat(fields) };
}

/**
 * Sentences about keys of the reference that say how to translate sources: those of our tables are translated without
 * marks, and wherever the answer would not come back through the host otherwise, so nothing is lost without them.
 */
export function unneededKeys({ fields }: NetworkConf): string[] {
  return ['markMasqBit', 'externalSetMarkChain', 'masqAll']
    .filter((key) => ![undefined, null, false, '', -1].includes(fields.raw(key) as undefined))
    .map((key) =>
      key === 'masqAll'
        ? '"masqAll" is not needed and passed over: answers find their way without it, and the container sees the client\'s own address'
        : `"${key}" is not needed and passed over: sources are translated without marks`,
    );
}

/** Chained plugins need what the one before them made. */
export function requirePrevResult(plugin: string, { prevResult }: { readonly prevResult?: unknown }): void {
  if (prevResult !== undefined) return;
  throw new CniError(
    codes.invalidConfig,
    `Cannot run "${plugin}" alone: there is no "prevResult"`,
    'It is chained: put it after the plugin that makes the interface',
  );
}
