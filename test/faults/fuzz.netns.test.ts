import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { readQuery } from '../../src/agent/dns/read-query.ts';
import { readResponse } from '../../src/agent/dns/read-response.ts';
import { CniError } from '../../src/cni/errors.ts';
import { parseRequest } from '../../src/cni/request.ts';
import { resultToWire } from '../../src/cni/result.ts';
import { declaringCommands } from '../../src/nft/group.ts';
import { compilePolicy } from '../../src/egress/compile.ts';
import { parsePluginConf } from '../../src/egress/conf.ts';
import { policyOf } from './policy-of.ts';
import { collect, list } from '../../src/ipam/ledger.ts';
import { release } from '../../src/ipam/leases.ts';
import { dataText } from '../../src/nft/element.ts';
import { desired } from '../../src/records/desired.ts';
import { parseInterfaceConf } from '../../src/plugins/drawbridge/conf.ts';
import { readAttachment } from '../../src/records/parse.ts';
import { pick, seeded } from './random.ts';
import { answerBytes, conf, egress, environment, expectPlain, queryBytes } from './seeds.ts';
import { nasty, spoil, spoilText } from './spoil.ts';
import { count } from './tally.ts';
import { mapping, sample } from '../records/sample.ts';
import { parsePolicy } from '../../src/egress/parse.ts';
import { policyId } from '../../src/egress/policy-id.ts';

/** How many inputs there are of a kind; so many times more with DRAWBRIDGE_FUZZ=10. */
const more = Number(process.env['DRAWBRIDGE_FUZZ'] ?? 1);

/** Milliseconds that all inputs of a kind may take, on a machine that others use too. */
const patience = 120_000 * more;

/** Milliseconds that one input may take. */
const longest = 3_000;

let tried = 0;
let accepted = 0;

/**
 * Feeds inputs to a reader: each is accepted, or refused with an error of the kind that the reader's callers expect.
 */
function feed<T>(
  times: number,
  make: (random: () => number) => T,
  read: (input: T) => void,
  isRefusal: (error: unknown) => boolean,
): void {
  const random = seeded(8);
  for (let number = 0; number < times * more; number++) {
    const input = make(random);
    const begin = performance.now();
    try {
      read(input);
      accepted++;
    } catch (error) {
      if (!isRefusal(error))
        throw new Error(`input ${number}: ${show(input)}: ${String((error as Error).stack)}`, { cause: error });
    }
    const ms = performance.now() - begin;
    if (ms > longest) throw new Error(`input ${number} took ${ms} ms: ${show(input)}`);
    tried++;
  }
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function show(input: unknown): string {
  return (JSON.stringify(input) ?? String(input)).slice(0, 600);
}

const isCniError = (error: unknown): boolean =>
  error instanceof CniError && Number.isInteger(error.code) && error.message !== '';

describe('hostile input is refused with an error of ours, or is data', () => {
  test('stdin and environment of a plugin', { timeout: patience }, () => {
    const verbs = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'ADD', 'ADD'];
    feed(
      40_000,
      (random) => {
        const env: Record<string, string> = { ...environment, CNI_COMMAND: pick(verbs, random) ?? 'ADD' };
        if (random() < 0.3) env[pick(Object.keys(env), random) ?? ''] = textOf(nasty(random));
        return { env, stdin: spoilText(conf, random) };
      },
      ({ env, stdin }) => {
        const request = parseRequest(env, stdin);
        expect(request.config.name).toMatch(/^[\w.-]+$/u);
        if (!('id' in request)) return;
        expect(request.id.containerId).toMatch(/^[a-zA-Z0-9][\w.-]*$/u);
        expect(request.id.ifname).not.toMatch(/[\s/]/u);
        if (request.prevResult !== undefined) resultToWire(request.prevResult, request.config.cniVersion);
        const { link } = parseInterfaceConf(request, { defaultBridge: 'drawbridge0' });
        expect(link.bridge).toMatch(/^[^\s/]{1,15}$/u);
      },
      isCniError,
    );
  });

  test('policies', { timeout: patience }, () => {
    const bodies = [
      egress,
      { mode: 'restricted' },
      { mode: 'open', isolation: 'bridge' },
      { mode: 'restricted', allowPrivate: ['10.0.0.0/8', '[fd00::1]:443'], hostAccess: 'none' },
    ];
    feed(
      14_000,
      (random) => ({ body: pick(bodies, random), text: spoilText(pick(bodies, random), random) }),
      ({ text }) => {
        const policy = policyOf(text);
        declaringCommands(compilePolicy(policy)).forEach((line) =>
          expect(line).not.toMatch(/flush ruleset|inet evil|\n.*\n/u),
        );
      },
      isCniError,
    );
    feed(
      6_000,
      (random) => spoil({ type: 'egress-policy', cniVersion: '1.1.0', name: 'net', ...egress, args: {} }, random),
      (raw) => void parsePluginConf(raw),
      isCniError,
    );
  });

  test('records', { timeout: patience }, () => {
    const policy = parsePolicy({ mode: 'restricted' }, '');
    const full = {
      ...sample({ link: { ports: [mapping(8080, 80)], enforced: true } }),
      egress: {
        ingressInterface: 'drawbridge0',
        port: 'veth0',
        mac: '02:00:00:00:00:01',
        addresses: ['10.88.0.2'],
        gateways: ['10.88.0.1'],
        policy,
        policyId: policyId(policy),
      },
    };
    feed(
      20_000,
      (random) => spoil(full, random),
      (value) => {
        const { elements } = desired(readAttachment(value));
        for (const { key, value: says = [] } of elements) [key, says].map(dataText).forEach(expectPlain);
      },
      (error) => error instanceof TypeError || error instanceof RangeError || isCniError(error),
    );
  });

  const folder = mkdtempSync(join(tmpdir(), 'leases-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('files among the leases', { timeout: patience }, () => {
    const names = [
      '10.88.0.2',
      '10.88.0.3',
      'fd00:88::2',
      'lock',
      'last_reserved_ip.0',
      '.drawbridge-x',
      '10.88.0.2.bak',
      '999.1.1.1',
      '..10',
      '10.88.0.02',
    ];
    const contents = [
      'c1\r\neth0',
      'c1',
      '',
      '\r\n',
      '\0',
      'c2\neth0\n',
      '../../x\r\neth0',
      `${'a'.repeat(5000)}\r\neth0`,
      'ü\r\n\u202e',
    ];
    const network = join(folder, 'net');
    mkdirSync(network);
    feed(
      3_000,
      (random) => ({
        name: pick(names, random) ?? '',
        content: pick(contents, random) ?? '',
        id: pick(['c1', 'c2', '..'], random) ?? '',
      }),
      ({ name, content, id }) => {
        writeFileSync(join(network, name), content);
        list(folder, 'net');
        release(
          folder,
          { network: 'net', containerId: id, ifname: 'eth0' },
          id === 'c2' ? ['10.88.0.2', '../escape'] : undefined,
        );
        collect(folder, 'net', ({ containerId }) => containerId === 'c1');
      },
      isCniError,
    );
    expect(readdirSync(folder)).toEqual(['net']);
  });

  test('DNS messages', { timeout: patience }, () => {
    feed(
      18_000,
      (random) => spoiledMessage(queryBytes, random),
      (message) => void readQuery(message),
      () => false,
    );
    feed(
      18_000,
      (random) => spoiledMessage(answerBytes, random),
      (message) => void readResponse(message),
      (error) => error instanceof Error && !/stack/iu.test(error.message),
    );
  });

  let counted = 0;
  afterEach((context) => {
    count(context, { 'hostile inputs to readers, in process': tried - counted });
    counted = tried;
  });
  afterAll(() => console.log(`${tried} inputs in process, ${accepted} of them accepted`));
});

/** Cut, with bytes changed, with pointers of compressed names put in, with something behind it. */
function spoiledMessage(message: Buffer, random: () => number): Buffer {
  const bytes = Buffer.from(message);
  const times = 1 + Math.floor(random() * 6);
  for (let time = 0; time < times; time++) {
    const place = Math.floor(random() * bytes.length);
    if (random() < 0.3)
      bytes.writeUInt16BE(0xc000 | Math.floor(random() * (bytes.length + 20)), Math.min(place, bytes.length - 2));
    else bytes[place] = Math.floor(random() * 256);
  }
  if (random() < 0.2) return bytes.subarray(0, Math.floor(random() * bytes.length));
  if (random() < 0.05) return Buffer.concat([bytes, Buffer.alloc(Math.floor(random() * 500), 0xc0)]);
  return bytes;
}
