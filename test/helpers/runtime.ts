import { pluginFolder } from './executable.ts';
import type { Container, ExecOptions, ExecResult } from './private-host.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
export type Json = Record<string, any>;

export interface Conflist {
  cniVersion: string;
  /** The newest of these is used, as by the libcni that knows it. */
  cniVersions?: readonly string[];
  name: string;
  plugins: readonly Json[];
}

export interface AttachmentOptions {
  /** Stands for `containerId` (its name) and `netns`, where those are not given. */
  container?: Container;
  containerId?: string;
  /** "" is what a runtime sends that does not know it any more. */
  netns?: string;
  /** Default "eth0". */
  ifname?: string;
  /** CNI_ARGS. */
  args?: string;
  /** Folder of the plugins, default bundle/bin. */
  bin?: string;
  /** CNI_PATH, default `bin`. */
  path?: string;
  /** Added to the environment of the plugin; undefined takes a variable out. */
  env?: Record<string, string | undefined>;
  /** Milliseconds, default 20,000. */
  timeout?: number;
}

export interface CniOptions extends AttachmentOptions {
  /** The executable, default `<bin>/<type of the conf>`. */
  program?: string;
}

export interface ChainOptions extends AttachmentOptions {
  /** Filtered for each plugin by its `capabilities`, as libcni does. */
  runtimeConfig?: Json;
  /** As prevResult of delChain() and checkChain(), instead of the one that addChain() kept; null: none. */
  result?: Json | null;
}

export interface CniResult {
  code: number;
  /** stdout as JSON when the plugin succeeded and printed something. */
  result?: Json;
  /** stdout as JSON when it failed: cniVersion, code, msg, details. */
  error?: Json;
  stdout: string;
  stderr: string;
  ms: number;
}

export interface ChainResult extends CniResult {
  /** What each plugin answered, in the order they were called. */
  steps: CniResult[];
}

/** What a container runtime does, in the words of libcni. */
export abstract class Runtime {
  readonly #results = new Map<string, Json | undefined>();

  abstract exec(cmd: readonly string[], options?: ExecOptions): Promise<ExecResult>;

  /** Executes one plugin as a runtime would: the environment of the specification, the conf on stdin, nothing else. */
  async cni(verb: string, conf: Json | string, options: CniOptions = {}): Promise<CniResult> {
    const type = typeof conf === 'string' ? 'drawbridge' : (conf['type'] as string);
    const { bin = pluginFolder, program = `${bin}/${type}`, timeout = 20_000 } = options;
    const input = typeof conf === 'string' ? conf : JSON.stringify(conf);
    const { code, stdout, stderr, ms } = await this.exec([program], {
      input,
      timeout,
      env: environment(verb, options),
    });
    const outcome: CniResult = { code, stdout, stderr, ms };
    const json = parse(stdout);
    if (json !== undefined) outcome[code === 0 ? 'result' : 'error'] = json;
    if (code !== 0 && json === undefined)
      outcome.error = { code: -1, msg: `no JSON on stdout: ${JSON.stringify(stdout)}`, details: stderr };
    return outcome;
  }

  /** ADD of every plugin, each with the result of the one before it; stops at the first failure. */
  async addChain(conflist: Conflist, options: ChainOptions): Promise<ChainResult> {
    const steps: CniResult[] = [];
    let previous: Json | undefined;
    for (const plugin of conflist.plugins) {
      const step = await this.cni('ADD', pluginConf(conflist, plugin, options, previous), options);
      steps.push(step);
      if (step.code !== 0) return { ...step, steps };
      previous = step.result;
    }
    this.#results.set(attachmentKey(conflist, options), previous);
    return { ...steps.at(-1)!, steps };
  }

  /** DEL of every plugin in reverse, each with the final result of ADD; stops at the first failure, as libcni does. */
  async delChain(conflist: Conflist, options: ChainOptions): Promise<ChainResult> {
    const outcome = await this.#each('DEL', conflist, conflist.plugins.toReversed(), options);
    if (outcome.code === 0) this.#results.delete(attachmentKey(conflist, options));
    return outcome;
  }

  /** CHECK of every plugin, each with the final result of ADD. */
  checkChain(conflist: Conflist, options: ChainOptions): Promise<ChainResult> {
    return this.#each('CHECK', conflist, conflist.plugins, options);
  }

  /** GC of every plugin with the list of attachments that are still valid; undefined sends none. */
  gcChain(
    conflist: Conflist,
    valid: readonly { containerID: string; ifname: string }[] | undefined,
    options: ChainOptions = {},
  ): Promise<ChainResult> {
    const extra = valid === undefined ? {} : { 'cni.dev/valid-attachments': valid };
    const plugins = conflist.plugins.map((plugin) => ({ ...plugin, ...extra }));
    return this.#each('GC', conflist, plugins, { ...options, result: null });
  }

  async #each(verb: string, conflist: Conflist, plugins: readonly Json[], options: ChainOptions): Promise<ChainResult> {
    const previous =
      options.result === undefined
        ? this.#results.get(attachmentKey(conflist, options))
        : (options.result ?? undefined);
    const steps: CniResult[] = [];
    for (const plugin of plugins) {
      const step = await this.cni(verb, pluginConf(conflist, plugin, options, previous), options);
      steps.push(step);
      if (step.code !== 0) return { ...step, steps };
    }
    return { code: 0, stdout: '', stderr: '', ms: 0, ...steps.at(-1), steps };
  }
}

function pluginConf(
  { cniVersion, cniVersions = [], name }: Conflist,
  plugin: Json,
  { runtimeConfig = {} }: ChainOptions,
  prevResult: Json | undefined,
): Json {
  const capabilities = (plugin['capabilities'] ?? {}) as Record<string, boolean>;
  const granted = Object.entries(runtimeConfig).filter(([capability]) => capabilities[capability] === true);
  return {
    ...plugin,
    cniVersion: cniVersions.at(-1) ?? cniVersion,
    name,
    ...(granted.length === 0 ? {} : { runtimeConfig: Object.fromEntries(granted) }),
    ...(prevResult === undefined ? {} : { prevResult }),
  };
}

function environment(verb: string, options: AttachmentOptions): Record<string, string> {
  const variables = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    CNI_COMMAND: verb,
    CNI_CONTAINERID: containerId(options),
    CNI_NETNS: options.netns ?? options.container?.netns,
    CNI_IFNAME: options.ifname ?? 'eth0',
    CNI_ARGS: options.args,
    CNI_PATH: options.path ?? options.bin ?? pluginFolder,
    ...options.env,
  };
  return Object.fromEntries(
    Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function containerId({ containerId: id, container }: AttachmentOptions): string | undefined {
  return id ?? container?.name;
}

function attachmentKey({ name }: Conflist, options: AttachmentOptions): string {
  return [name, containerId(options), options.ifname ?? 'eth0'].join('\0');
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
