import { release } from 'node:os';
import { nftVersion, oldestNft } from '../../host/nft.ts';
import { findProgram, run } from '../../host/run.ts';
import { printTable } from '../table.ts';
import { printJson, type Terminal } from '../terminal.ts';
import { compareVersions } from './host.ts';

/** Something of the host that we work with, as conf/schema/doctor-versions.json has it. */
interface Part {
  readonly name: string;
  /** Null where it is not there, or does not tell. */
  readonly version: string | null;
  /** The oldest that will do; null where any does. */
  readonly needs: string | null;
  /** Where it was found, of a program. */
  readonly file: string | null;
  readonly isEnough: boolean;
}

/** Oldest kernel that has what our rules are made of (docs/hosts.md). */
const oldestKernel = '5.10';

/** Programs and what they print their version with. */
const programs: readonly { readonly name: string; readonly word: string; readonly isNeeded: boolean }[] = [
  { name: 'ip', word: '-V', isNeeded: true },
  { name: 'tc', word: '-V', isNeeded: false },
  { name: 'nsenter', word: '--version', isNeeded: true },
  { name: 'conntrack', word: '--version', isNeeded: false },
  { name: 'iptables', word: '--version', isNeeded: false },
];

/** Prints the versions of what we work with, and whether they will do. Exit status 1 when one will not. */
export async function printVersions(version: string, isJson: boolean, terminal: Terminal): Promise<number> {
  const parts = await partsOfHost(version);
  if (isJson) printJson(terminal, parts);
  else {
    const { paint } = terminal;
    printTable(
      terminal,
      [{ title: 'WHAT' }, { title: 'VERSION' }, { title: 'NEEDS' }, { title: 'FILE', narrowest: 12 }],
      parts.map(({ name, version: found, needs, file, isEnough }) => [
        name,
        isEnough ? (found ?? '-') : paint.bad(found ?? 'missing'),
        needs ?? '-',
        file ?? '-',
      ]),
    );
  }
  return parts.every(({ isEnough }) => isEnough) ? 0 : 1;
}

async function partsOfHost(version: string): Promise<Part[]> {
  return [
    { name: 'drawbridge', version, needs: null, file: process.execPath, isEnough: true },
    atLeast({ name: 'kernel', version: release(), file: null }, oldestKernel),
    { name: 'C library', version: libraryOfC(), needs: null, file: null, isEnough: true },
    atLeast(
      {
        name: 'nft',
        version: (await nftVersion().catch(() => undefined)) ?? null,
        file: findProgram('nft') ?? null,
      },
      oldestNft,
    ),
    ...(await Promise.all(programs.map(programOf))),
  ];
}

function atLeast(part: Pick<Part, 'name' | 'version' | 'file'>, needs: string): Part {
  return { ...part, needs, isEnough: part.version !== null && compareVersions(part.version, needs) >= 0 };
}

async function programOf({ name, word, isNeeded }: (typeof programs)[number]): Promise<Part> {
  const file = findProgram(name) ?? null;
  const version = file === null ? null : await told(file, word);
  return { name, version, needs: null, file, isEnough: file !== null || !isNeeded };
}

async function told(file: string, word: string): Promise<string | null> {
  try {
    const { stdout, stderr } = await run(file, [word]);
    return /\d+(?:\.\d+)+/u.exec(`${stdout}${stderr}`.replace(/libbpf.*/u, ''))?.[0] ?? null;
  } catch {
    return null;
  }
}

/** The runtime tells glibc's version, and says nothing where it was built for musl. */
function libraryOfC(): string {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined ? 'musl' : `glibc ${header.glibcVersionRuntime}`;
}
