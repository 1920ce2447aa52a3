/**
 * Objects of the API become values. The API server has validated and defaulted them; what is not as it says is an
 * object of a later version, and is refused by a TypeError rather than read as something wider.
 */
import { formatAddress, readAnyAddress } from '../../ip/address.ts';
import type {
  ContainerPort,
  Namespace,
  NetworkPolicy,
  Peer,
  Pod,
  PolicyPort,
  PolicyRule,
  Protocol,
} from './objects.ts';
import type { Labels, Requirement, Selector } from './selector.ts';

type Json = Readonly<Record<string, unknown>>;

/** A Pod of the API (v1). Throws a TypeError for what is none. */
export function readPod(json: unknown): Pod {
  const { metadata, spec, status } = named(json);
  const phase = status['phase'];
  return {
    namespace: text(metadata['namespace'], 'metadata.namespace'),
    name: text(metadata['name'], 'metadata.name'),
    uid: text(metadata['uid'], 'metadata.uid'),
    labels: labelsOf(metadata),
    node: typeof spec['nodeName'] === 'string' ? spec['nodeName'] : '',
    isOnHostNetwork: spec['hostNetwork'] === true,
    hasEnded: phase === 'Succeeded' || phase === 'Failed',
    addresses: addressesOf(status),
    ports: portsOf(spec),
  };
}

/** A Namespace of the API (v1). Throws as {@link readPod}. */
export function readNamespace(json: unknown): Namespace {
  const { metadata } = named(json);
  return { name: text(metadata['name'], 'metadata.name'), labels: labelsOf(metadata) };
}

/** A NetworkPolicy of the API (networking.k8s.io/v1). Throws as {@link readPod}. */
export function readNetworkPolicy(json: unknown): NetworkPolicy {
  const { metadata, spec } = named(json);
  const types = spec['policyTypes'] === undefined ? usualTypes(spec) : list(spec['policyTypes'], 'policyTypes');
  const unknown = types.find((type) => type !== 'Ingress' && type !== 'Egress');
  if (unknown !== undefined) throw wrong('policyTypes', unknown);
  return {
    namespace: text(metadata['namespace'], 'metadata.namespace'),
    name: text(metadata['name'], 'metadata.name'),
    selects: readSelector(spec['podSelector'] ?? {}),
    ...(types.includes('Ingress')
      ? { into: list(spec['ingress'], 'ingress').map((rule) => readRule(rule, 'from')) }
      : {}),
    ...(types.includes('Egress') ? { out: list(spec['egress'], 'egress').map((rule) => readRule(rule, 'to')) } : {}),
  };
}

/** A LabelSelector. Throws as {@link readPod}. */
export function readSelector(json: unknown): Selector {
  const { matchLabels, matchExpressions } = object(json, 'a selector');
  const labels = Object.entries(matchLabels === undefined ? {} : object(matchLabels, 'matchLabels'));
  return {
    requirements: [
      ...labels.map(([key, value]): Requirement => ({ key, operator: 'In', values: [text(value, key)] })),
      ...list(matchExpressions, 'matchExpressions').map(readRequirement),
    ],
  };
}

const operators = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;

function readRequirement(json: unknown): Requirement {
  const { key, operator, values } = object(json, 'a requirement');
  const known = operators.find((one) => one === operator);
  if (known === undefined) throw wrong('operator', operator);
  return {
    key: text(key, 'key'),
    operator: known,
    values: list(values, 'values').map((value) => text(value, 'values')),
  };
}

/** What the API server fills in for a policy without types. */
function usualTypes({ egress }: Json): readonly string[] {
  return egress === undefined ? ['Ingress'] : ['Ingress', 'Egress'];
}

/** An empty list of peers or ports is as none: it restricts nothing. */
function readRule(json: unknown, peersKey: 'from' | 'to'): PolicyRule {
  const rule = object(json, 'a rule');
  const peers = list(rule[peersKey], peersKey).map(readPeer);
  const ports = list(rule['ports'], 'ports').map(readPort);
  return { ...(peers.length === 0 ? {} : { peers }), ...(ports.length === 0 ? {} : { ports }) };
}

function readPeer(json: unknown): Peer {
  const { ipBlock, namespaceSelector, podSelector } = object(json, 'a peer');
  if (ipBlock !== undefined) {
    const { cidr, except } = object(ipBlock, 'ipBlock');
    return { cidr: text(cidr, 'cidr'), except: list(except, 'except').map((one) => text(one, 'except')) };
  }
  if (namespaceSelector === undefined && podSelector === undefined) throw wrong('a peer', json);
  return {
    ...(namespaceSelector === undefined ? {} : { namespaces: readSelector(namespaceSelector) }),
    ...(podSelector === undefined ? {} : { pods: readSelector(podSelector) }),
  };
}

function readPort(json: unknown): PolicyPort {
  const { protocol, port, endPort } = object(json, 'a port');
  if (port !== undefined && typeof port !== 'number' && typeof port !== 'string') throw wrong('port', port);
  if (endPort !== undefined && typeof endPort !== 'number') throw wrong('endPort', endPort);
  return {
    protocol: readProtocol(protocol),
    ...(port === undefined ? {} : { port }),
    ...(endPort === undefined ? {} : { endPort }),
  };
}

const protocols: Readonly<Record<string, Protocol>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' };

function readProtocol(json: unknown): Protocol {
  const known = json === undefined ? 'tcp' : protocols[typeof json === 'string' ? json : ''];
  if (known === undefined) throw wrong('protocol', json);
  return known;
}

function labelsOf({ labels }: Json): Labels {
  const known = labels === undefined ? {} : object(labels, 'labels');
  return Object.fromEntries(Object.entries(known).map(([key, value]) => [key, text(value, key)]));
}

function addressesOf({ podIPs, podIP }: Json): string[] {
  const told = list(podIPs, 'podIPs').map((one) => object(one, 'podIPs')['ip']);
  return (told.length === 0 && podIP !== undefined ? [podIP] : told).flatMap((one) => {
    const address = typeof one === 'string' ? readAnyAddress(one) : undefined;
    return address === undefined ? [] : [formatAddress(address)];
  });
}

/** Names of ports of its containers, and of init containers that go on beside them. */
function portsOf({ containers, initContainers }: Json): ContainerPort[] {
  const beside = list(initContainers, 'initContainers').filter(
    (one) => object(one, 'a container')['restartPolicy'] === 'Always',
  );
  return [...list(containers, 'containers'), ...beside].flatMap((container) =>
    list(object(container, 'a container')['ports'], 'ports').flatMap((json): ContainerPort[] => {
      const { name, containerPort, protocol } = object(json, 'a port');
      if (typeof name !== 'string' || name === '' || typeof containerPort !== 'number') return [];
      return [{ name, protocol: readProtocol(protocol), port: containerPort }];
    }),
  );
}

function named(json: unknown): { readonly metadata: Json; readonly spec: Json; readonly status: Json } {
  const { metadata, spec = {}, status = {} } = object(json, 'the object');
  return { metadata: object(metadata, 'metadata'), spec: object(spec, 'spec'), status: object(status, 'status') };
}

function object(json: unknown, what: string): Json {
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Json;
  throw wrong(what, json);
}

/** Absent and null are an empty list, as in the API. */
function list(json: unknown, what: string): readonly unknown[] {
  if (json === undefined || json === null) return [];
  if (Array.isArray(json)) return json;
  throw wrong(what, json);
}

function text(json: unknown, what: string): string {
  if (typeof json === 'string') return json;
  throw wrong(what, json);
}

function wrong(what: string, json: unknown): TypeError {
  return new TypeError(`"${what}" is ${JSON.stringify(json)?.slice(0, 80) ?? 'missing'}`);
}
