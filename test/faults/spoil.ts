/** Makes nearly right input of right input: what a careless or hostile writer would send. */
import { pick } from './random.ts';

type Json = Record<string, unknown>;

const longText = 'a'.repeat(70_000);

/** Values that mean something to a shell, to nft, to ip, to a path, to JSON or to JavaScript. */
const nasties: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  65_536,
  1e308,
  Number.MAX_SAFE_INTEGER,
  '',
  ' ',
  '.',
  '..',
  '../../etc/passwd',
  '/etc/passwd',
  'a/b',
  '-',
  '--help',
  '-6',
  '%d',
  '*',
  'eth*',
  '\0',
  '\n',
  'a\nflush ruleset',
  'x; flush ruleset',
  '"; flush ruleset; #',
  '$(reboot)',
  '`reboot`',
  '${IFS}',
  '" } ; add table inet evil ; #',
  "'",
  '\\',
  '#',
  'veth0 type dummy',
  '\u202e',
  '\ud800',
  'ünï',
  longText,
  '0.0.0.0',
  '0.0.0.0/0',
  '255.255.255.255',
  '127.0.0.1',
  '10.0.0.0/33',
  '10.0.0.0/-1',
  '10.00.0.1',
  '1.2.3',
  '::',
  '::/0',
  '::1',
  'fe80::1%eth0',
  '::ffff:10.0.0.1',
  '10.88.0.1/24;',
  '169.254.169.254',
  'FD00:88::2/64',
  'github.com',
  '*.example.org',
  '*.*',
  'a..b',
  'xn--',
  'localhost',
  'github.com:443',
  'github.com:0',
  '8.8.8.8:1-0',
  '[::1]:80',
  'host:8000-8100/udp',
  '8.8.8.8:53/icmp',
  'ff:ff:ff:ff:ff:ff',
  '00:00:00:00:00:00',
  '02:00:00:00:00',
  'open',
  'restricted',
  'allowlist',
  'unrestricted',
  [],
  [[]],
  [null],
  [{}],
  [['x']],
  {},
  { a: 1 },
  { toString: 1 },
  Array.from({ length: 300 }, (_, index) => index),
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
];

export function nasty(random: () => number): unknown {
  return structuredClone(pick(nasties, random));
}

const strangeKeys = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'valueOf',
  'NAME',
  'cniversion',
  'Ipam',
  '',
  ' ',
  'allowprivate',
  'mode',
  'egress',
  'policy',
  longText.slice(0, 300),
];

/** A copy with one to three values replaced, keys added or taken away, or the whole thing something else. */
export function spoil(value: unknown, random: () => number): unknown {
  let spoiled: unknown = structuredClone(value);
  const times = 1 + Math.floor(random() * 3);
  for (let time = 0; time < times; time++) spoiled = spoilOnce(spoiled, random);
  return spoiled;
}

/** JSON text, sometimes broken: cut off, with a byte changed, nested, with a key twice. */
export function spoilText(value: unknown, random: () => number): string {
  const text = JSON.stringify(spoil(value, random)) ?? 'undefined';
  const place = Math.floor(random() * text.length);
  switch (Math.floor(random() * 12)) {
    case 0:
      return text.slice(0, place);
    case 1:
      return `${text.slice(0, place)}${String.fromCharCode(Math.floor(random() * 256))}${text.slice(place + 1)}`;
    case 2:
      return '['.repeat(Math.floor(random() * 3000)) + text;
    case 3:
      return text.replace('{', '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},');
    case 4:
      return `${text}${text}`;
    default:
      return text;
  }
}

function spoilOnce(value: unknown, random: () => number): unknown {
  const places = [...placesOf(value)];
  const place = pick(places, random);
  if (place === undefined || random() < 0.02) return nasty(random);
  const { holder, key } = place;
  const choice = random();
  if (choice < 0.7) define(holder, key, nasty(random));
  else if (choice < 0.8 && !Array.isArray(holder)) Reflect.deleteProperty(holder, key);
  else if (choice < 0.9)
    define(holder, Array.isArray(holder) ? String(holder.length) : (pick(strangeKeys, random) ?? ''), nasty(random));
  else define(holder, key, [Reflect.get(holder, key), nasty(random)]);
  return value;
}

function define(holder: object, key: string, value: unknown): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

function* placesOf(value: unknown): Generator<{ holder: object; key: string }> {
  if (typeof value !== 'object' || value === null) return;
  for (const key of Object.keys(value)) {
    yield { holder: value, key };
    yield* placesOf((value as Json)[key]);
  }
}
