/**
 * Makes what is published of a version: `npm run release [-- --target NAME… --form archive|deb|rpm|image…]`, for all
 * targets (targets.ts) and in all forms, or in some.
 *
 *   bundle/out/release/
 *     drawbridge-VERSION-linux-SUFFIX.tar.gz    to be unpacked anywhere
 *       bin/drawbridge, bin/egress-policy -> drawbridge
 *       drop-in/bridge, host-local, … -> ../bin/drawbridge     for hosts that hardcode the reference's names
 *       conf/, docs/, man/man8/, completions/, README.md and all that it leads to, LICENSE, sbom.cdx.json
 *     drawbridge_VERSION-1_amd64.deb, drawbridge-VERSION-1.x86_64.rpm, …     for glibc
 *     drawbridge-VERSION-linux-SUFFIX.oci.tar   an image with the programs that the executable calls
 *     drawbridge-VERSION.sbom.cdx.json
 *     SHA256SUMS
 *
 * It builds twice and compares: the same commit and lockfile give the same bytes wherever the repository is. Each
 * executable is asked for VERSION, before it is packed. What needs a program that is not here is left out, and said.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { archive } from './release/archive.ts';
import { askVersion } from './release/ask-version.ts';
import { billOfMaterials } from './release/bill.ts';
import { deb } from './release/deb.ts';
import { image } from './release/image.ts';
import type { Product } from './release/product.ts';
import { rpm } from './release/rpm.ts';
import { ownTarget, targetOf, targets } from './targets.ts';

const root = join(import.meta.dirname, '..');
const out = join(root, 'bundle/out/release');

const forms = ['archive', 'deb', 'rpm', 'image'];

/** The executable holds the path of the folder that it was made in. */
const compileIn = '/tmp/drawbridge-release';

/** A build takes ten seconds, and a minute or two on a machine that is busy with other things. */
const mostSecondsOfBuild = 300;

try {
  release();
} catch (error) {
  console.error(`Cannot make the release: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

function release(): void {
  // Modes of folders go into packages.
  process.umask(0o022);
  const several = { type: 'string', multiple: true } as const;
  const { target: chosen = Object.keys(targets), form: wanted = forms } = parseArgs({
    options: { target: several, form: several },
  }).values;
  for (const target of chosen) targetOf(target);
  const unknown = wanted.find((form) => !forms.some((known) => known === form));
  if (unknown !== undefined) throw new Error(`there is no form "${unknown}"; the forms are ${forms.join(', ')}`);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const bill = billOfMaterials(version);
  const time = Number(execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' }));
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  // Pages and completions are those that the executable of this machine prints.
  build(ownTarget(), []);
  const packed = new Map<string, string>();
  const files = chosen.flatMap((target) => {
    const executable = build(target, ['--target', target]);
    if (!build(target, ['--target', target]).equals(executable))
      throw new Error(`two builds of the same sources for ${target} differ`);
    console.log(`${target}: two builds gave the same bytes; ${askVersion(target)}`);
    const product = { version, bill, time, executable, ...targetOf(target) };
    // Bun 1.4.5 for x64 is one file under two names: it looks at the processor by itself.
    const digest = createHash('sha256').update(executable).digest('hex');
    const twin = packed.get(digest);
    packed.set(digest, twin ?? target);
    if (twin !== undefined) console.log(`${target}: the same executable as that of ${twin}, and not packed again`);
    return twin !== undefined ? [] : wanted.flatMap((form) => filesOf(form, target, product));
  });
  const ofBill = `drawbridge-${version}.sbom.cdx.json`;
  writeFileSync(join(out, ofBill), bill);
  const sums = [...files, ofBill].map((file) => `${digestOf(file)}  ${file}\n`).join('');
  writeFileSync(join(out, 'SHA256SUMS'), sums);
  console.log(`${sums}in bundle/out/release`);
}

/** Nobody else may have put anything there: the folder is made here, or not at all. */
function build(target: string, words: readonly string[]): Buffer {
  takeFolder();
  try {
    execFileSync(process.execPath, [join(root, 'bundle/build.ts'), ...words], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DRAWBRIDGE_COMPILE_IN: compileIn },
    });
    return readFileSync(join(root, 'bundle/bin', words.length === 0 ? '' : target, 'drawbridge'));
  } finally {
    rmSync(compileIn, { recursive: true, force: true });
  }
}

/** Two releases at once take turns at each build. */
function takeFolder(): void {
  const deadline = performance.now() + mostSecondsOfBuild * 1000;
  while (performance.now() < deadline) {
    try {
      mkdirSync(compileIn, { mode: 0o700 });
      return;
    } catch {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    }
  }
  throw new Error(
    `"${compileIn}" has been there for ${mostSecondsOfBuild} s: a release that was cut short left it; remove it`,
  );
}

/** The name of the file that was written; none where a form does not suit a target, or its programs are not here. */
function filesOf(form: string, target: string, product: Product): string[] {
  const name = `drawbridge-${product.version}-linux-${targetOf(target).suffix}`;
  if (form === 'archive') {
    writeFileSync(join(out, `${name}.tar.gz`), archive(name, product.executable, product.bill));
    return [`${name}.tar.gz`];
  }
  // A package is for a processor, of Debian's C library.
  if (!['linux-x64', 'linux-arm64'].includes(target)) return [];
  if (form === 'deb') return isHere('dpkg-deb', target) ? [deb(product, out)] : [];
  if (form === 'rpm') return isHere('rpmbuild', target) ? [rpm(product, out)] : [];
  return isHere('umoci', target) && isHere('mmdebstrap', target) ? [image(name, product, out)] : [];
}

/** Each of these programs is in a Debian package: `sh bundle/setup.sh release` installs them. */
function isHere(program: string, target: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    console.error(`${target}: what needs the program "${program}" is left out: it is not here`);
    return false;
  }
}

function digestOf(file: string): string {
  return createHash('sha256')
    .update(readFileSync(join(out, file)))
    .digest('hex');
}
