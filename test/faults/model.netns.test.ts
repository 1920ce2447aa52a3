import fc from 'fast-check';
import { expect, makeHost, test, type Container, type Host } from '../helpers/host.ts';
import { installKillers, killAt, type KillPoint } from './kill-points.ts';
import { attachmentsLeft, conflist, interfaceConf, isLong, outcome, prepare, reboot, type options } from './network.ts';
import { count } from './tally.ts';

/** What must exist: for each container whether it is attached, or may be half so because something was killed. */
interface Model {
  readonly containers: Map<string, 'none' | 'attached' | 'unclear'>;
}

/** The real host, with a namespace for each container of the model. */
interface Real {
  readonly host: Host;
  readonly containers: Map<string, Container>;
}

const names = ['a', 'b', 'c'] as const;

async function containerOf(real: Real, name: string): Promise<Container> {
  const found = real.containers.get(name);
  if (found !== undefined) return found;
  const made = await real.host.container(name);
  real.containers.set(name, made);
  return made;
}

/** Ports differ: a published one can be held once. */
function optionsOf(container: Container): ReturnType<typeof options> {
  const offset = names.indexOf(container.name as 'a');
  return {
    container,
    runtimeConfig: {
      portMappings: [{ hostPort: 8080 + offset, containerPort: 80, protocol: offset === 1 ? 'udp' : 'tcp' }],
    },
  };
}

type Command = fc.AsyncCommand<Model, Real>;

/** After each command: leases and records are those of the attached, and of none but the attached and the unclear. */
async function agree({ containers }: Model, { host }: Real): Promise<void> {
  const text = await host.sh(
    `cat /run/drawbridge/attachments/*.json 2>/dev/null | jq -r 'select(.state == "ready") | .containerId' | sort; echo --; cd /var/lib/cni/networks/drawbridge 2>/dev/null || exit 0; for f in 10.*; do [ ! -e $f ] || head -n 1 $f | tr -d '\\r'; done | sort`,
  );
  const [ready = [], leased = []] = text.split('--').map((part) => part.split('\n').filter((line) => line !== ''));
  for (const name of names) {
    const state = containers.get(name) ?? 'none';
    if (state === 'unclear') continue;
    expect(ready.includes(name), `record of ${name}, which is ${state}`).toBe(state === 'attached');
    expect(
      leased.filter((holder) => holder === name),
      `leases of ${name}, which is ${state}`,
    ).toHaveLength(state === 'attached' ? 1 : 0);
  }
}

class Add implements Command {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    const container = await containerOf(real, this.name);
    const state = model.containers.get(this.name) ?? 'none';
    const result = await real.host.addChain(conflist, optionsOf(container));
    if (state === 'none') expect(outcome(result)).toBe('code 0');
    if (state === 'unclear' && result.code !== 0) expect(result.error?.['code'], outcome(result)).toBe(102);
    if (state === 'attached') expect(result.error?.['code'], outcome(result)).toBe(102);
    if (result.code === 0) model.containers.set(this.name, 'attached');
    await agree(model, real);
  }
  toString = (): string => `ADD ${this.name}`;
}

class Del implements Command {
  readonly name: string;
  readonly hasNetns: boolean;
  constructor(name: string, hasNetns: boolean) {
    this.name = name;
    this.hasNetns = hasNetns;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    const container = await containerOf(real, this.name);
    const result = await real.host.delChain(conflist, {
      ...optionsOf(container),
      result: null,
      ...(this.hasNetns ? {} : { netns: '' }),
    });
    expect(outcome(result)).toBe('code 0');
    model.containers.set(this.name, 'none');
    await agree(model, real);
  }
  toString = (): string => `DEL ${this.name}${this.hasNetns ? '' : ' without namespace'}`;
}

class Check implements Command {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
  check = (model: Readonly<Model>): boolean => model.containers.get(this.name) === 'attached';
  async run(model: Model, real: Real): Promise<void> {
    // Somebody may have flushed the rules: the next ADD or DEL of anybody puts them back.
    const passing = await real.host.container();
    expect(outcome(await real.host.addChain(conflist, { container: passing }))).toBe('code 0');
    expect(outcome(await real.host.checkChain(conflist, optionsOf(await containerOf(real, this.name))))).toBe('code 0');
    expect(outcome(await real.host.delChain(conflist, { container: passing }))).toBe('code 0');
    await passing.remove();
    await agree(model, real);
  }
  toString = (): string => `CHECK ${this.name}`;
}

class Gc implements Command {
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    const valid = names
      .filter((name) => model.containers.get(name) === 'attached')
      .map((name) => ({ containerID: name, ifname: 'eth0' }));
    expect(outcome(await real.host.gcChain(conflist, valid))).toBe('code 0');
    for (const name of names) if (model.containers.get(name) !== 'attached') model.containers.set(name, 'none');
    await agree(model, real);
  }
  toString = (): string => 'GC';
}

class Flush implements Command {
  check = (): boolean => true;
  async run(_model: Model, { host }: Real): Promise<void> {
    await host.exec(['nft', 'flush', 'ruleset']);
  }
  toString = (): string => 'flush ruleset';
}

class Reboot implements Command {
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    await reboot(real.host, [...real.containers.values()]);
    real.containers.clear();
    // Leases of before go with the first ADD.
    for (const each of names) if (model.containers.get(each) === 'attached') model.containers.set(each, 'unclear');
  }
  toString = (): string => 'reboot';
}

class Killed implements Command {
  readonly verb: 'ADD' | 'DEL';
  readonly name: string;
  readonly point: KillPoint;
  constructor(verb: 'ADD' | 'DEL', name: string, point: KillPoint) {
    this.verb = verb;
    this.name = name;
    this.point = point;
  }
  check = (model: Readonly<Model>): boolean =>
    this.verb === 'DEL' || (model.containers.get(this.name) ?? 'none') === 'none';
  async run(model: Model, real: Real): Promise<void> {
    const container = await containerOf(real, this.name);
    await killAt(real.host, this.point, {
      verb: this.verb,
      conf: { ...interfaceConf, runtimeConfig: optionsOf(container).runtimeConfig },
      options: { container },
    });
    model.containers.set(this.name, 'unclear');
    await agree(model, real);
  }
  toString = (): string => `${this.verb} ${this.name} killed at ${JSON.stringify(this.point)}`;
}

const name = fc.constantFrom(...names);
const point: fc.Arbitrary<KillPoint> = fc.oneof(
  fc.record({
    kind: fc.constant('call' as const),
    name: fc.constantFrom('rename', 'vfork', 'unlink', 'ftruncate', 'link'),
    n: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({
    kind: fc.constant('program' as const),
    n: fc.integer({ min: 0, max: 9 }),
    how: fc.constantFrom('kill-before' as const, 'kill-while' as const, 'kill-after' as const),
  }),
);
const commands = [
  name.map((which) => new Add(which)),
  name.map((which) => new Add(which)),
  fc.tuple(name, fc.boolean()).map(([which, hasNetns]) => new Del(which, hasNetns)),
  name.map((which) => new Check(which)),
  fc.constant(new Gc()),
  fc.constant(new Flush()),
  fc.constant(new Reboot()),
  fc.tuple(fc.constantFrom('ADD' as const, 'DEL' as const), name, point).map((all) => new Killed(...all)),
];

test(
  'random verbs, kills, flushes and reboots leave what a small model says',
  { timeout: isLong ? 1_800_000 : 240_000 },
  async ({ task }) => {
    let ran = 0;
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: isLong ? 25 : 12 }), async (sequence) => {
        await using host = await makeHost();
        await prepare(host);
        await installKillers(host);
        await host.takeBaseline();
        const real: Real = { host, containers: new Map() };
        const model: Model = { containers: new Map() };
        await fc.asyncModelRun(() => ({ model, real }), sequence);
        ran++;
        for (const container of real.containers.values())
          expect(outcome(await host.delChain(conflist, { ...optionsOf(container), result: null }))).toBe('code 0');
        await host.sh('[ ! -d /run/drawbridge ] || find /run/drawbridge -type f -exec touch -d -1hour {} +');
        expect(outcome(await host.gcChain(conflist, []))).toBe('code 0');
        expect((await attachmentsLeft(host)).filter((line) => !line.includes('/.drawbridge-'))).toEqual([]);
      }),
      { seed: 8, numRuns: isLong ? 60 : 8, ...(isLong ? {} : { endOnFailure: true }) },
    );
    console.log(`${ran} sequences agree with the model`);
    count({ task }, { 'random sequences of verbs, crashes and reboots that agree with the model': ran });
  },
);
