/** How parts of decoded JSON are checked: each function throws a TypeError that names the key. */
import { splitPrefix } from '../../ip/prefix.ts';
import { ipVersion } from '../../ip/version.ts';
import { overlaps, type PortMapping } from '../../ports/mapping.ts';

/** Names that go into commands as they are. */
export const interfaceName = /^[^\s/:"*\\\x00-\x1f\x7f-\uffff]{1,15}$/;
export const hardwareAddress = /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/i;

/** The JSON object that `what` is. */
export function object(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new TypeError(`${what} is not a JSON object`);
}

export function list(from: Record<string, unknown>, key: string): unknown[] {
  const value = from[key];
  if (Array.isArray(value)) return value;
  throw wrong(key, value);
}

export function text(from: Record<string, unknown>, key: string): void {
  if (typeof from[key] !== 'string') throw wrong(key, from[key]);
}

/** Texts by name; absent passes. */
export function texts(from: Record<string, unknown>, key: string): void {
  const value = from[key];
  if (value !== undefined && Object.values(object(value, `"${key}"`)).some((one) => typeof one !== 'string'))
    throw wrong(key, value);
}

export function matching(from: Record<string, unknown>, key: string, pattern: RegExp): void {
  const value = from[key];
  if (typeof value !== 'string' || !pattern.test(value)) throw wrong(key, value);
}

/** True or false; absent passes when it `mayMiss`. */
export function flag(from: Record<string, unknown>, key: string, { mayMiss = false } = {}): void {
  const value = from[key];
  if (typeof value !== 'boolean' && !(mayMiss && value === undefined)) throw wrong(key, value);
}

/** A whole number; both limits are allowed values. */
export function whole(from: Record<string, unknown>, key: string, min: number, max: number): void {
  if (!isWhole(from[key], min, max)) throw wrong(key, from[key]);
}

/** An address without prefix length and zone. */
export function ipText(value: unknown, key: string): void {
  if (typeof value !== 'string' || ipVersion(value) === 0 || value.includes('%')) throw wrong(key, value);
}

export function prefixText(value: unknown, key: string): void {
  const { address, length = '' } = splitPrefix(typeof value === 'string' ? value : '');
  if (ipVersion(address) === 0 || !/^\d{1,3}$/.test(length)) throw wrong(key, value);
}

/** The key "ports". */
export function readPorts(from: Record<string, unknown>): void {
  const ports = list(from, 'ports').map(readMapping);
  ports.forEach((port, index) => {
    if (
      ports.some((other, place) => place < index && overlaps(port, other) && port.containerPort !== other.containerPort)
    )
      throw wrong('ports', from['ports']);
  });
}

/** The key "defaultRoutes"; it may be absent. */
export function readDefaultRoutes(from: Record<string, unknown>): void {
  if (from['defaultRoutes'] === undefined) return;
  for (const value of list(from, 'defaultRoutes')) {
    const { family, metric } = object(value, 'a default route');
    if (!isFamily(family) || !isWhole(metric, 0, 2 ** 32)) throw wrong('defaultRoutes', from['defaultRoutes']);
  }
}

function wrong(key: string, value: unknown): TypeError {
  return new TypeError(`"${key}" is ${value === undefined ? 'missing' : JSON.stringify(value).slice(0, 80)}`);
}

function readMapping(value: unknown): PortMapping {
  const mapping = object(value, 'a port');
  matching(mapping, 'protocol', /^(?:tcp|udp|sctp)$/);
  for (const key of ['hostPort', 'containerPort']) whole(mapping, key, 1, 65_535);
  if (mapping['hostIp'] !== undefined) ipText(mapping['hostIp'], 'hostIp');
  if (!list(mapping, 'families').every(isFamily)) throw wrong('families', mapping['families']);
  return mapping as unknown as PortMapping;
}

function isFamily(value: unknown): boolean {
  return value === 4 || value === 6;
}

function isWhole(value: unknown, min: number, max: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
}
