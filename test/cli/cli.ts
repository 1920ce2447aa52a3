import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { executable } from '../helpers/executable.ts';
import type { Container, Host } from '../helpers/private-host.ts';
import type { ChainOptions, Conflist, Json } from '../helpers/runtime.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as JSON, when it is. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
  readonly json: any;
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Runs `drawbridge WORDS` on a host as an operator would. */
export async function drawbridge(
  host: Host,
  words: readonly string[],
  { env = {}, input = '' }: { env?: Record<string, string>; input?: string } = {},
): Promise<Ran> {
  const { code, stdout, stderr } = await host.exec([executable, ...words], {
    env: { PATH: path, LC_ALL: 'C.UTF-8', ...env },
    timeout: 30_000,
    input,
  });
  return { code, stdout, stderr, json: parse(stdout) };
}

/** What is wrong with an answer by its published schema; empty when nothing is. */
export function schemaErrors(name: string, value: unknown): string[] {
  const schema = JSON.parse(
    readFileSync(join(import.meta.dirname, `../../conf/schema/${name}.json`), 'utf8'),
  ) as object;
  const validate = new Ajv2020({
    strict: true,
    allowUnionTypes: true,
    formats: { 'date-time': /^\d{4}-\d\d-\d\dT[\d:.]+Z$/ },
  }).compile(schema);
  validate(value);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** A configuration as it is shipped in conf/. */
export function shipped(name: string): Conflist {
  return JSON.parse(readFileSync(join(import.meta.dirname, `../../conf/${name}.conflist`), 'utf8')) as Conflist;
}

/** The shipped configuration of one plugin with another policy, named after it unless `name` is given. */
export function withPolicy(policy: Json, name = 'sandbox'): Conflist {
  const { cniVersion, plugins } = shipped('30-one-process');
  return { cniVersion, name, plugins: plugins.map((plugin) => ({ ...plugin, egress: policy })) };
}

/** Attaches a new container; throws what the plugins say. */
export async function attach(
  host: Host,
  conflist: Conflist,
  name: string,
  options: ChainOptions = {},
): Promise<Container> {
  const container = await host.container(name);
  const { error } = await host.addChain(conflist, { container, ...options });
  if (error !== undefined) throw new Error(`${String(error['msg'])}: ${String(error['details'])}`);
  return container;
}

/** Lists the rules of a host for a shell, without the buckets that packets fill, and that run out, at any time. */
export const listRules = `nft -s list ruleset | grep -v -e 'elements = { .* limit rate over' -e '^[[:space:]]*"[^{]* limit rate over [^{]*$' -e '^[[:space:]]*$'`;

/** Text without what differs from run to run. */
export function steady(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replaceAll(/4:\d{10}/g, '<inode>')
    .replaceAll(/vethe?[0-9a-f]{11}/g, 'veth<key>')
    .replaceAll(/policy_[0-9a-f]{16}/g, 'policy_<id>');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
