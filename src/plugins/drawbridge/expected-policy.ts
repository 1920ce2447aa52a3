import { listReadable } from '../../host/files.ts';
import { readFileSync, statSync } from 'node:fs';
import { ageOf, byAge } from '../../records/age.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { entryOf } from '../../records/sections/link.ts';
import { listRecords } from '../../records/store.ts';
import { foldersIn, listsIn, pluginsOf, typeOf, type Plugin } from './network-lists.ts';

/** An interface plugin's own part of a network: all that it is told. */
export interface OwnPart {
  readonly network: string;
  /** The configuration as it came on stdin. */
  readonly conf: Plugin;
}

/** Where lists and what tells of them are looked for. */
export interface Evidence {
  /** Folders with network configurations, the likeliest first. */
  readonly folders: readonly string[];
  /** Folder in which libcni keeps what it added: "results" in its cache. */
  readonly cache: string;
  /** What is attached. */
  readonly records: () => readonly AttachmentRecord[];
}

/** A list with the plugin that was called, and whether a policy follows it there. */
interface Match {
  readonly isOwn: boolean;
  readonly chains: boolean;
}

/**
 * Whether `egress-policy` follows in the list. A plugin is told only its own part, so "awaitsPolicy" of the
 * configuration decides; without that key the list is found out as a runtime finds it: the folders in turn, in each
 * the list whose entry is what we were told, else the first of the network's name, as libcni takes it.
 *
 * Where lists of several folders have that entry and disagree, and where there is none, what libcni noted of the
 * network's earlier containers tells, then our records of these; at last the first folder, and then "no".
 *
 * It matters between the ADDs of the two plugins, and between their DELs: the interface is there and its policy is
 * not. Wrong one way a container stays closed, and CHECK says so; wrong the other way it is open until its policy
 * comes.
 */
export function expectsPolicy(part: OwnPart, evidence: Evidence = usualEvidence()): boolean {
  const told = keyOf(part.conf, 'awaitsPolicy');
  if (typeof told === 'boolean') return told;
  const matches = evidence.folders.flatMap((folder) => matchIn(folder, part) ?? []);
  const own = matches.filter(({ isOwn }) => isOwn);
  const answers = new Set(own.map(({ chains }) => chains));
  if (answers.size === 1) return answers.has(true);
  const further = (): boolean | undefined => fromCache(evidence.cache, part) ?? fromRecords(evidence.records(), part);
  if (answers.size > 1) return further() ?? own[0]?.chains === true;
  // A runtime that adds keys of its own, or a list that was edited after it was loaded.
  return matches[0]?.chains ?? further() ?? false;
}

/** Where runtimes keep their lists: NETCONFPATH (cnitool, nerdctl; empty is unset), then the folders of common ones. */
function usualEvidence(): Evidence {
  const { NETCONFPATH: told = '', XDG_CONFIG_HOME: config = '', HOME: home = '' } = process.env;
  const own = config === '' ? (home === '' ? [] : [`${home}/.config/cni/net.d`]) : [`${config}/cni/net.d`];
  const folders = [
    ...(told === '' ? [] : [told]),
    '/etc/cni/net.d',
    ...own,
    // k3s and RKE2, MicroK8s, Nomad.
    '/var/lib/rancher/k3s/agent/etc/cni/net.d',
    '/var/lib/rancher/rke2/agent/etc/cni/net.d',
    '/var/snap/microk8s/current/args/cni-network',
    '/opt/cni/config',
    '/opt/cni/net.d',
  ];
  return {
    folders: [...new Set(folders)].flatMap((folder) => [folder, ...foldersIn(folder)]),
    cache: '/var/lib/cni/results',
    records: () => listRecords().records,
  };
}

/** What one folder says: the list with our very entry, or the first of the name that calls a plugin of our type. */
function matchIn(folder: string, part: OwnPart): Match | undefined {
  const matches = listsIn(folder, part.network).flatMap(({ plugins }) => matchOf(plugins, part) ?? []);
  return matches.find(({ isOwn }) => isOwn) ?? matches[0];
}

function matchOf(plugins: readonly Plugin[], { conf }: OwnPart): Match | undefined {
  const ours = plugins.filter((plugin) => typeOf(plugin) === typeOf(conf));
  if (ours.length === 0) return undefined;
  const wanted = entryText(conf);
  return {
    isOwn: ours.some((plugin) => entryText(plugin) === wanted),
    chains: plugins.some((plugin) => typeOf(plugin) === 'egress-policy'),
  };
}

/** Keys that libcni puts into a plugin's configuration, or that a runtime may. */
const injected = new Set(['name', 'cniversion', 'prevresult', 'runtimeconfig', 'args']);

/** An entry of a list without what a runtime added, its keys in order. */
function entryText(entry: Plugin): string {
  const own = Object.entries(entry).filter(([key]) => {
    const name = key.toLowerCase();
    return !injected.has(name) && !name.startsWith('cni.dev/');
  });
  return JSON.stringify(Object.fromEntries(own), (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : value,
  );
}

function keyOf(conf: Plugin, key: string): unknown {
  return Object.entries(conf).find(([name]) => name.toLowerCase() === key.toLowerCase())?.[1];
}

/** More files of a network than this tell no more. */
const mostNotes = 8;

/**
 * What libcni noted when it added the network's latest containers: "<network>-<container>-<ifname>", with the file of
 * the list in base64. That has no plugins of the folder NAME/, so a list without a policy there proves nothing alone.
 */
function fromCache(folder: string, part: OwnPart): boolean | undefined {
  const notes = notesOf(folder, part.network)
    .map((file) => noteIn(file, part.network) ?? [])
    .flatMap((plugins) => matchOf(plugins, part) ?? []);
  return notes.find(({ isOwn }) => isOwn)?.chains;
}

function notesOf(folder: string, network: string): string[] {
  return listReadable(folder)
    .filter((name) => name.startsWith(`${network}-`))
    .map((name) => ({ file: `${folder}/${name}`, at: modifiedAt(`${folder}/${name}`) }))
    .toSorted((one, other) => other.at - one.at)
    .slice(0, mostNotes)
    .map(({ file }) => file);
}

function modifiedAt(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function noteIn(file: string, network: string): readonly Plugin[] | undefined {
  try {
    const note = JSON.parse(readFileSync(file, 'utf8')) as { kind?: unknown; config?: unknown } | null;
    if (note?.kind !== 'cniCacheV1' || typeof note.config !== 'string') return undefined;
    return pluginsOf(JSON.parse(Buffer.from(note.config, 'base64').toString('utf8')), network);
  } catch {
    return undefined;
  }
}

/** Milliseconds after which the second plugin of a list has long been there. */
const settled = 10_000;

/** What became of the network's latest container with this very configuration. */
function fromRecords(records: readonly AttachmentRecord[], { network, conf }: OwnPart): boolean | undefined {
  const wanted = entryText(conf);
  const finished = records
    .filter((record) => record.network === network && record.state === 'ready' && record.unfinished !== true)
    .filter(({ link }) => link !== undefined && entryText(entryOf(link)) === wanted)
    .toSorted((one, other) => byAge(other, one));
  for (const record of finished) {
    if (record.egress !== undefined) return true;
    // One that waits for a policy proves neither that one comes nor that none does.
    if (record.link?.enforced !== true && ageOf(record) > settled) return false;
  }
  return undefined;
}
