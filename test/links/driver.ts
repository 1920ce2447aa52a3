/**
 * Calls functions of src/host/ inside a private host: reads {steps: [[name, …arguments]…]} from stdin, and prints
 * a list of {value, ms} or {error}, one for each step. Run by node, which strips the types itself.
 */
import { readFileSync } from 'node:fs';
import { CniError } from '../../src/cni/errors.ts';
import { chooseMtu, prepareBridge } from '../../src/host/bridge.ts';
import { readAttachment, readInterface } from '../../src/host/interfaces.ts';
import { uplinkMtu } from '../../src/host/uplink.ts';
import { readRoutes } from '../../src/host/routes.ts';
import { applyCommands } from '../../src/host/apply.ts';
import { runIn } from '../../src/host/ip.ts';
import { isOwnNetns, netnsExists, openNetns } from '../../src/host/netns.ts';
import { configureContainer, connect, createVeth, raiseVeth, removeVeth } from '../../src/host/veth.ts';
import { enableForwarding, writeSysctlsIn } from '../../src/host/sysctl.ts';
import { findDifferences, type ExpectedLinks } from '../../src/links/differences.ts';
import type { BridgePlan } from '../../src/links/bridge.ts';
import type { VethPlan } from '../../src/links/veth.ts';

const calls = {
  applyCommands,
  chooseMtu,
  configureContainer,
  enableForwarding,
  isOwnNetns,
  netnsExists,
  openNetns,
  raiseVeth,
  readInterface,
  readRoutes,
  removeVeth,
  uplinkMtu,
  writeSysctlsIn,
  connect: (bridge: BridgePlan, pair: VethPlan) => connect(bridge, pair),
  connectAll: (plans: { bridge: BridgePlan; pair: VethPlan }[]) =>
    Promise.all(plans.map(({ bridge, pair }) => connect(bridge, pair))),
  createVeth: (bridge: BridgePlan, pair: VethPlan) => createVeth(bridge, pair),
  prepareBridge: (bridge: BridgePlan) => prepareBridge(bridge),
  ping: async (netns: string, address: string) => (await runIn(netns, 'ping', ['-c1', '-W1', address])).stderr === '',
  check: async (expected: ExpectedLinks) =>
    findDifferences(
      expected,
      await readAttachment({ ...expected, inside: { netns: expected.netns, ifname: expected.ifname } }),
    ),
};

export type Call = keyof typeof calls;

export interface Outcome {
  value?: unknown;
  error?: { code: number; message: string; details?: string };
  ms: number;
}

const { steps } = JSON.parse(readFileSync(0, 'utf8')) as { steps: [Call, ...unknown[]][] };
const outcomes: Outcome[] = [];
for (const [name, ...args] of steps) {
  const start = performance.now();
  try {
    const value = await (calls[name] as (...given: unknown[]) => unknown)(...args);
    outcomes.push({ value, ms: performance.now() - start });
  } catch (error) {
    const { code, message, details } =
      error instanceof CniError ? error : { code: 0, message: String(error), details: undefined };
    outcomes.push({
      error: { code, message, ...(details === undefined ? {} : { details }) },
      ms: performance.now() - start,
    });
  }
}
console.log(JSON.stringify(outcomes));
