import { readdirSync } from 'node:fs';
import { longestPolicy, policiesFolder } from '../../egress/load-policy.ts';
import { findPolicyFile } from '../../egress/load-policy-file.ts';
import type { PolicyFormat } from '../../egress/policy-source.ts';
import { withoutComments } from '../../text/jsonc.ts';
import { readYaml } from '../../text/yaml.ts';
import { readRegularFile } from '../../egress/load-file.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { findPlaces, type JsonPlace } from '../../text/json-places.ts';

/** A file that a policy stands in, and where in it. */
export interface PolicyFile {
  readonly file: string;
  readonly places: ReadonlyMap<string, JsonPlace>;
  /** Path of the object with the policy's keys: "", "plugins[1]", "plugins[0].egress". */
  readonly base: string;
  /** Whether a change applies to containers that run: of a named policy. */
  readonly isLive: boolean;
}

export interface RulePlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Where runtimes keep the configurations of networks; nerdctl has a folder for each of its namespaces in it. */
const networksFolder = '/etc/cni/net.d';

/** The file in which an attachment's policy is written; undefined when it is not found. */
export function policyFileOf({ network, egress }: AttachmentRecord): PolicyFile | undefined {
  if (egress?.policyName !== undefined) {
    const found = namedFile(egress.policyName);
    const text = found === undefined ? undefined : readText(found.file);
    if (found === undefined || text === undefined) return undefined;
    return { file: found.file, places: placesIn(text, found.format), base: '', isLive: true };
  }
  for (const file of configurations()) {
    const text = readText(file);
    if (text?.includes(JSON.stringify(network)) !== true) continue;
    const places = findPlaces(text);
    if (places.get('name')?.value !== network) continue;
    const base = policyBase(places);
    if (base !== undefined) return { file, places, base, isLive: false };
  }
  return undefined;
}

/** Undefined where there are two as well: what is in force is from neither alone. */
function namedFile(name: string): { readonly file: string; readonly format: PolicyFormat } | undefined {
  try {
    return findPolicyFile(name, policiesFolder);
  } catch {
    return undefined;
  }
}

function placesIn(text: string, format: PolicyFormat): ReadonlyMap<string, JsonPlace> {
  if (format === 'json') return findPlaces(withoutComments(text));
  const read = readYaml(text);
  return 'problem' in read ? new Map() : read.places;
}

/** Where the rule of a verdict is written; undefined for what is built in, and for a default. */
export function placeOf(rule: string, { file, places, base }: PolicyFile): RulePlace | undefined {
  const [, key = '', value] = /^([a-zA-Z0-9]+)(?: "(.*)")?$/s.exec(rule) ?? [];
  const path = base === '' ? key : `${base}.${key}`;
  const whole = places.get(path);
  if (whole === undefined) return undefined;
  const entry = Array.isArray(whole.value) ? whole.value.findIndex((one) => one === value) : -1;
  const { line, column } = (entry === -1 ? undefined : places.get(`${path}[${entry}]`)) ?? whole;
  return { file, line, column };
}

/** Where the policy begins. */
export function startOf({ file, places, base }: PolicyFile): RulePlace {
  const { line, column } = places.get(base) ?? { line: 1, column: 1 };
  return { file, line, column };
}

export function placeWords({ file, line, column }: RulePlace): string {
  return `${file}:${line}:${column}`;
}

function policyBase(places: ReadonlyMap<string, JsonPlace>): string | undefined {
  const plugins = places.get('plugins')?.value;
  if (!Array.isArray(plugins)) return places.has('egress') ? 'egress' : undefined;
  for (const index of plugins.keys()) {
    if (places.get(`plugins[${index}].type`)?.value === 'egress-policy') return `plugins[${index}]`;
    if (places.has(`plugins[${index}].egress`)) return `plugins[${index}].egress`;
  }
  return undefined;
}

function configurations(): string[] {
  try {
    return readdirSync(networksFolder, { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(?:conflist|conf|json)$/.test(file))
      .toSorted()
      .map((file) => `${networksFolder}/${file}`);
  } catch {
    return [];
  }
}

function readText(file: string): string | undefined {
  try {
    return readRegularFile(file, longestPolicy);
  } catch {
    return undefined;
  }
}
