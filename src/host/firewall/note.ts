import { listReadable, replaceFile } from '../files.ts';
import { readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { runDir, stateDir } from '../paths.ts';
import type { HostPort, Opening } from './accepts.ts';

/*
 * /run/drawbridge/firewall/<bridge>.json       a Note: what was opened for the bridge. While it is there, an ADD has
 *                                              nothing to do but read it. Its time is 0 when it is in doubt.
 * /var/lib/drawbridge/firewall/<bridge>        empty: the bridge's entry in firewalld's permanent configuration is
 *                                              ours. It outlives a reboot, as that entry does.
 */

/** A thing that stands in the way and that we do not or could not change, and what to do about it. */
export interface FirewallWarning {
  readonly message: string;
  readonly remedy: string;
}

export interface Note extends Opening {
  readonly version: 1;
  /** Some table got rules of ours: there is something to remove. */
  readonly opened: boolean;
  /** firewalld's runtime entry is ours. */
  readonly zoned: boolean;
  readonly warnings: readonly FirewallWarning[];
}

/** Undefined when there is none, or none that can be read: then everything is looked at afresh. */
export function readNote(bridge: string): Note | undefined {
  try {
    const note = JSON.parse(readFileSync(noteFile(bridge), 'utf8')) as Note;
    return note.version === 1 ? note : undefined;
  } catch {
    return undefined;
  }
}

/** The same, of one that nobody doubts. */
export function readTrustedNote(bridge: string): Note | undefined {
  const time = statSync(noteFile(bridge), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return time === 0 ? undefined : readNote(bridge);
}

/**
 * Whoever took our tables away (`nft flush ruleset`) may have taken our accepts in other firewalls too: the next who
 * opens a bridge looks. To be called before the tables are there again, since from then on nothing tells that they were
 * gone.
 */
export function doubtNotes(): void {
  for (const bridge of openedBridges()) {
    try {
      utimesSync(noteFile(bridge), 0, 0);
    } catch {}
  }
}

export function writeNote(note: Note): void {
  const file = noteFile(note.bridge);
  replaceFile(file, JSON.stringify(note));
}

export function removeNote(bridge: string): void {
  rmSync(noteFile(bridge), { force: true });
}

/** Bridges that something was opened for, or that were looked at: also those whose containers are gone. */
export function openedBridges(): string[] {
  return listReadable(`${runDir}/firewall`).flatMap((file) =>
    file.endsWith('.json') ? [file.slice(0, -'.json'.length)] : [],
  );
}

/** Whether what a note says was opened is enough for what is asked now. */
export function covers(note: Note, { hostPorts, ingress }: Opening): boolean {
  const known = new Set(note.hostPorts.map(portKey));
  return (ingress === 'published' || note.ingress === 'open') && hostPorts.every((port) => known.has(portKey(port)));
}

/** What is asked now together with what a note says that earlier containers asked. */
export function widen(opening: Opening, note: Note | undefined): Opening {
  if (note === undefined) return opening;
  const ports = new Map([...note.hostPorts, ...opening.hostPorts].map((port) => [portKey(port), port]));
  return {
    bridge: opening.bridge,
    hostPorts: [...ports.values()],
    ingress: note.ingress === 'open' ? 'open' : opening.ingress,
  };
}

export function isPermanentZoneOurs(bridge: string): boolean {
  try {
    readFileSync(zoneFile(bridge));
    return true;
  } catch {
    return false;
  }
}

export function markPermanentZone(bridge: string, ours: boolean): void {
  if (!ours) return rmSync(zoneFile(bridge), { force: true });
  replaceFile(zoneFile(bridge), '', { folderMode: 0o755 });
}

function portKey({ protocol, ports }: HostPort): string {
  return `${protocol} ${ports?.from ?? ''}-${ports?.to ?? ''}`;
}

function noteFile(bridge: string): string {
  return `${runDir}/firewall/${bridge}.json`;
}

function zoneFile(bridge: string): string {
  return `${stateDir}/firewall/${bridge}`;
}
