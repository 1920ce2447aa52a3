import { accessSync, constants, mkdirSync } from 'node:fs';
import { delegateStatus, delegationOf } from '../../cni/delegate.ts';
import { CniError, codes } from '../../cni/errors.ts';
import type { StatusRequest } from '../../cni/request.ts';
import { tryTransaction } from '../../host/nft.ts';
import { runDir } from '../../host/paths.ts';
import { findProgram } from '../../host/run.ts';
import { fullSets } from '../../ipam/ledger.ts';
import { parseLinkConf } from '../../links/conf.ts';
import { parseIpamChoice, type InterfaceDefaults, type IpamChoice } from './conf.ts';

/** Packages that programs come from, for the advice. */
const programs = [
  { name: 'ip', from: 'iproute2' },
  { name: 'nsenter', from: 'util-linux' },
  { name: 'nft', from: 'nftables' },
];

/** Finds out whether an ADD would work. Throws code 50 with the first reason why not; it changes nothing. */
export async function status(request: StatusRequest, defaults: InterfaceDefaults): Promise<void> {
  parseLinkConf(request.config.fields, defaults);
  const ipam = parseIpamChoice(request.config);
  requirePrograms();
  requireFolder(runDir);
  await requireRules();
  requireAddresses(ipam, request.config.name);
  if (ipam.kind === 'delegated') await delegateStatus(delegationOf(request, ipam.type));
}

function requirePrograms(): void {
  for (const { name, from } of programs) {
    if (findProgram(name) === undefined) throw notAvailable(`"${name}" is not installed`, `Install the package "${from}"`);
  }
}

/** Making the folder is what the first ADD does too. */
function requireFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw notAvailable(`"${folder}" cannot be written: ${(error as Error).message}`, 'Make it a writable folder');
  }
}

async function requireRules(): Promise<void> {
  try {
    await tryTransaction('add table inet drawbridge\nadd table bridge drawbridge\n');
  } catch (error) {
    throw notAvailable((error as Error).message, error instanceof CniError ? error.details : undefined);
  }
}

function requireAddresses(ipam: IpamChoice, network: string): void {
  if (ipam.kind !== 'host-local') return;
  requireFolder(ipam.conf.dataDir);
  const [full] = fullSets(ipam.conf, network);
  if (full !== undefined) {
    throw notAvailable(`no address is free in "${full.text}": all ${full.size} are leased`, `"drawbridge list" shows who holds them; each is a file in "${ipam.conf.dataDir}/${network}"`);
  }
}

function notAvailable(why: string, details?: string): CniError {
  return new CniError(codes.notAvailable, `Cannot add containers: ${why}`, details);
}
