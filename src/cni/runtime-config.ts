import { Fields } from './fields.ts';

/**
 * What a runtime passes for the capabilities that a configuration declares (CONVENTIONS.md, "Dynamic plugin specific
 * fields").
 */
export interface RuntimeConfig {
  /** Still to be validated: keys hostPort, containerPort, protocol and hostIP, in any case of letters. */
  readonly portMappings: readonly Fields[];
  /** Addresses asked for, with or without prefix length. */
  readonly ips: readonly string[];
  readonly mac?: string;
  /** Range sets that go before those of the configuration: keys subnet, rangeStart, rangeEnd, gateway. */
  readonly ipRanges: readonly (readonly Fields[])[];
  readonly dns?: RuntimeDns;
  /** Capability "io.kubernetes.cri.pod-annotations". */
  readonly podAnnotations: ReadonlyMap<string, string>;
}

/** Named as the capability has it; the "dns" of a result has other names. */
export interface RuntimeDns {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

/**
 * Reads "runtimeConfig" of a plugin's configuration; all empty when there is none. Throws code 7 for a value of a wrong
 * type.
 */
export function parseRuntimeConfig(config: Fields): RuntimeConfig {
  const runtime = config.object('runtimeConfig') ?? new Fields({}, 'runtimeConfig');
  const mac = runtime.string('mac');
  const dns = runtime.object('dns');
  return {
    portMappings: runtime.objects('portMappings') ?? [],
    ips: runtime.strings('ips') ?? [],
    ...(mac === undefined || mac === '' ? {} : { mac }),
    ipRanges: rangeSets(runtime),
    ...(dns === undefined
      ? {}
      : {
          dns: {
            servers: dns.strings('servers') ?? [],
            searches: dns.strings('searches') ?? [],
            options: dns.strings('options') ?? [],
          },
        }),
    podAnnotations: runtime.stringMap('io.kubernetes.cri.pod-annotations') ?? new Map(),
  };
}

/** What "args.cni" holds (CONVENTIONS.md, "args in network config"). */
export interface ConfArgs {
  readonly ips: readonly string[];
  readonly mac?: string;
  readonly labels: ReadonlyMap<string, string>;
}

/**
 * Reads "args.cni" of a plugin's configuration; all empty when there is none. Throws code 7 for a value of a wrong
 * type.
 */
export function parseConfArgs(config: Fields): ConfArgs {
  const args = config.object('args')?.object('cni') ?? new Fields({}, 'args.cni');
  const mac = args.string('mac');
  return {
    ips: args.strings('ips') ?? [],
    ...(mac === undefined || mac === '' ? {} : { mac }),
    labels: new Map(
      (args.objects('labels') ?? []).map((label) => [label.string('key') ?? '', label.string('value') ?? '']),
    ),
  };
}

/**
 * host-local takes a list of range sets; go-cni sends one set as a flat list (its WithCapabilityIPRanges). Both are
 * understood.
 */
function rangeSets(runtime: Fields): Fields[][] {
  const isFlat = runtime.list('ipRanges')?.some((entry) => !Array.isArray(entry)) ?? false;
  if (isFlat) return [runtime.objects('ipRanges') ?? []];
  return runtime.objectLists('ipRanges') ?? [];
}
