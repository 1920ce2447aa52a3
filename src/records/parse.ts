import { ipVersion } from '../cni/ip-version.ts';
import { policyId } from '../egress/policy-id.ts';
import type { Policy } from '../egress/policy.ts';
import { overlaps, type PortMapping } from '../ports/mapping.ts';
import type { AddressRecord, AttachmentRecord, EgressRecord, LinkRecord } from './record.ts';

/** Version of the records that this program writes; it reads those before it too. */
const recordVersion = 2;

/** A record of a later version of this program, which may say what this one does not know. */
export class NewerRecordError extends TypeError {
  constructor(version: number) {
    super(`a newer drawbridge wrote it: its "version" is ${version}, this program knows 1 and ${recordVersion}`);
  }
}

/**
 * Checks that decoded JSON is a record: what is put into commands and paths later is checked value by value,
 * since a file can be cut short, old or edited.
 *
 * Throws a TypeError that names the first key that is wrong, a {@link NewerRecordError} for a later version.
 */
export function readAttachment(value: unknown): AttachmentRecord {
  const record = upgrade(object(value, 'the file'));
  const { version } = record;
  if (typeof version === 'number' && version > recordVersion) throw new NewerRecordError(version);
  if (version !== recordVersion)
    throw new TypeError(`"version" is ${JSON.stringify(version)}, this program knows 1 and ${recordVersion}`);
  for (const key of ['network', 'containerId', 'ifname', 'netns', 'netnsInode', 'createdAt']) text(record, key);
  matching(record, 'key', /^[0-9a-f]{16}$/);
  matching(record, 'state', /^(?:adding|ready)$/);
  if (record['link'] !== undefined) readLink(record['link']);
  if (record['published'] !== undefined) readPublished(record['published']);
  if (record['ingressPolicy'] !== undefined) readIngressPolicy(record['ingressPolicy']);
  if (record['shaped'] !== undefined) readShaped(record['shaped']);
  const egress = record['egress'] === undefined ? {} : { egress: readEgress(record['egress']) };
  return { ...(record as unknown as AttachmentRecord), ...egress };
}

/** Version 1 (drawbridge 0.1.0) called `ingressPolicy` "walls" and `link.enforced` "policed". */
function upgrade(record: Record<string, unknown>): Record<string, unknown> {
  if (record['version'] !== 1) return record;
  const { walls, link, ...rest } = record;
  const named = walls === undefined ? rest : { ...rest, ingressPolicy: walls };
  if (link === undefined) return { ...named, version: 2 };
  const { policed, ...others } = object(link, '"link"');
  return { ...named, link: policed === undefined ? others : { ...others, enforced: policed }, version: 2 };
}

const interfaceName = /^[^\s/:"*\\\x00-\x1f\x7f-\uffff]{1,15}$/;
const hardwareAddress = /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/i;

function readLink(value: unknown): void {
  const link = object(value, '"link"') as Partial<Record<keyof LinkRecord, unknown>> & Record<string, unknown>;
  matching(link, 'bridge', interfaceName);
  matching(link, 'hostInterface', interfaceName);
  matching(link, 'mac', hardwareAddress);
  for (const key of ['masquerade', 'macspoofchk']) if (typeof link[key] !== 'boolean') throw wrong(key, link[key]);
  for (const key of ['snat', 'enforced'])
    if (link[key] !== undefined && typeof link[key] !== 'boolean') throw wrong(key, link[key]);
  if (link['defaultRoutes'] !== undefined) readDefaultRoutes(link);
  if (link['noMasquerade'] !== undefined)
    list(link, 'noMasquerade').forEach((prefix) => prefixText(prefix, 'noMasquerade'));
  if (!isWhole(link['mtu'], 0, 2 ** 31)) throw wrong('mtu', link['mtu']);
  if (link['containerMtu'] !== undefined && !isWhole(link['containerMtu'], 0, 2 ** 31))
    throw wrong('containerMtu', link['containerMtu']);
  list(link, 'addresses').forEach(readAddressRecord);
  if (link['routes'] !== undefined) list(link, 'routes').forEach(readRoute);
  readPorts(link);
  object(link['ipam'], '"ipam"');
  object(link['conf'], '"conf"');
}

function prefixText(value: unknown, key: string): void {
  const [ip, length, ...rest] = typeof value === 'string' ? value.split('/') : [];
  if (ip === undefined || ipVersion(ip) === 0 || rest.length > 0 || !/^\d{1,3}$/.test(length ?? ''))
    throw wrong(key, value);
}

function readRoute(value: unknown): void {
  const { dst } = object(value, 'a route');
  if (typeof dst !== 'string') throw wrong('dst', dst);
}

function readAddressRecord(value: unknown): void {
  const { address, gateway } = object(value, 'an address') as Partial<Record<keyof AddressRecord, unknown>>;
  prefixText(address, 'address');
  if (gateway !== undefined) ipText(gateway, 'gateway');
}

function readPublished(value: unknown): void {
  const published = object(value, '"published"');
  matching(published, 'ingressInterface', interfaceName);
  list(published, 'addresses').forEach((ip) => ipText(ip, 'addresses'));
  if (typeof published['snat'] !== 'boolean') throw wrong('snat', published['snat']);
  if (published['defaultRoutes'] !== undefined) readDefaultRoutes(published);
  readPorts(published);
}

function readIngressPolicy(value: unknown): void {
  const ingressPolicy = object(value, '"ingressPolicy"');
  matching(ingressPolicy, 'ingressInterface', interfaceName);
  matching(ingressPolicy, 'policy', /^(?:open|same-bridge|isolated)$/);
}

function readShaped(value: unknown): void {
  const shaped = object(value, '"shaped"');
  matching(shaped, 'hostInterface', interfaceName);
  if (shaped['ifb'] !== undefined) matching(shaped, 'ifb', /^bwp[0-9a-f]{12}$/);
}

function readPorts(from: Record<string, unknown>): void {
  const ports = list(from, 'ports').map(readMapping);
  ports.forEach((port, index) => {
    if (
      ports.some((other, place) => place < index && overlaps(port, other) && port.containerPort !== other.containerPort)
    )
      throw wrong('ports', from['ports']);
  });
}

function readMapping(value: unknown): PortMapping {
  const mapping = object(value, 'a port');
  matching(mapping, 'protocol', /^(?:tcp|udp|sctp)$/);
  for (const key of ['hostPort', 'containerPort'])
    if (!isWhole(mapping[key], 1, 65_535)) throw wrong(key, mapping[key]);
  if (mapping['hostIp'] !== undefined) ipText(mapping['hostIp'], 'hostIp');
  if (!list(mapping, 'families').every(isFamily)) throw wrong('families', mapping['families']);
  return mapping as unknown as PortMapping;
}

function readDefaultRoutes(from: Record<string, unknown>): void {
  for (const value of list(from, 'defaultRoutes')) {
    const { family, metric } = object(value, 'a default route');
    if (!isFamily(family) || !isWhole(metric, 0, 2 ** 32)) throw wrong('defaultRoutes', from['defaultRoutes']);
  }
}

function isFamily(value: unknown): boolean {
  return value === 4 || value === 6;
}

/**
 * The policy's id is made anew: that of another version of this program may be another, and names chains of its own.
 */
function readEgress(value: unknown): EgressRecord {
  const egress = object(value, '"egress"') as Partial<Record<keyof EgressRecord, unknown>> & Record<string, unknown>;
  matching(egress, 'ingressInterface', interfaceName);
  if (egress['port'] !== undefined) matching(egress, 'port', interfaceName);
  if (egress['mac'] !== undefined) matching(egress, 'mac', hardwareAddress);
  for (const key of ['addresses', 'gateways']) list(egress, key).forEach((ip) => ipText(ip, key));
  if (egress['policyName'] !== undefined) text(egress, 'policyName');
  object(egress['policy'], '"policy"');
  const record = egress as unknown as EgressRecord;
  return { ...record, ...identified(record.policy) };
}

const policies = new Map<string, { readonly policy: WeakRef<Policy>; readonly policyId: string }>();

/** Texts that are remembered before those are forgotten whose policy nobody has any more. */
const mostPolicies = 1000;

/**
 * Many records hold the same policy, and a long one takes a while and some memory: each is there once for as long as
 * somebody has it. Throws for a policy that lacks a part.
 */
function identified(policy: Policy): Pick<EgressRecord, 'policy' | 'policyId'> {
  const text = JSON.stringify(policy);
  const known = policies.get(text);
  const same = known?.policy.deref();
  if (known !== undefined && same !== undefined) return { policy: same, policyId: known.policyId };
  if (policies.size >= mostPolicies)
    for (const [old, { policy: held }] of policies) if (held.deref() === undefined) policies.delete(old);
  const one = { policy: new WeakRef(policy), policyId: known?.policyId ?? policyId(policy) };
  policies.set(text, one);
  return { policy, policyId: one.policyId };
}

function object(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new TypeError(`${what} is not a JSON object`);
}

function list(from: Record<string, unknown>, key: string): unknown[] {
  const value = from[key];
  if (Array.isArray(value)) return value;
  throw wrong(key, value);
}

function text(from: Record<string, unknown>, key: string): void {
  if (typeof from[key] !== 'string') throw wrong(key, from[key]);
}

function matching(from: Record<string, unknown>, key: string, pattern: RegExp): void {
  const value = from[key];
  if (typeof value !== 'string' || !pattern.test(value)) throw wrong(key, value);
}

function ipText(value: unknown, key: string): void {
  if (typeof value !== 'string' || ipVersion(value) === 0 || value.includes('%')) throw wrong(key, value);
}

function isWhole(value: unknown, min: number, max: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
}

function wrong(key: string, value: unknown): TypeError {
  return new TypeError(`"${key}" is ${value === undefined ? 'missing' : JSON.stringify(value).slice(0, 80)}`);
}
