import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const cache = join(root, 'test/.cache/kernels');
const qemuRoot = join(cache, 'qemu');
const kernelRoot = join(cache, '6.12');

/** What a guest boots from. */
export interface GuestImage {
  readonly kernel: string;
  readonly initramfs: string;
  /** QEMU, by the libraries that it was built for. */
  readonly qemu: readonly string[];
}

/** What is not here that a guest needs; undefined when all is. `sh test/kernels/roots.sh` brings it. */
export function missingForGuests(): string | undefined {
  if (!existsSync(join(qemuRoot, 'usr/bin/qemu-system-x86_64'))) return 'QEMU';
  if (kernelFile() === undefined) return "Debian's cloud kernel";
  if (programOf('busybox') === undefined) return 'busybox';
  return undefined;
}

/** Packs the initramfs: busybox, perl, the driver of the network card, and what guest/ has. */
export function makeImage(): GuestImage {
  const kernel = kernelFile();
  const busybox = programOf('busybox');
  if (kernel === undefined || busybox === undefined) throw new Error(`${missingForGuests()} is not here`);
  const work = mkdtempSync(join(tmpdir(), 'drawbridge-guest-'));
  const tree = join(work, 'tree');
  for (const folder of ['bin', 'dev', 'etc', 'modules', 'proc', 'sys'])
    mkdirSync(join(tree, folder), { recursive: true });
  copyFileSync(busybox, join(tree, 'bin/busybox'));
  copyWithLibraries(programOf('perl') ?? '', join(tree, 'bin/perl'), tree);
  for (const name of ['failover', 'net_failover', 'virtio_net', '8021q']) unpackModule(name, join(tree, 'modules'));
  for (const name of ['init', 'frame.pl', 'send.pl'])
    copyFileSync(join(import.meta.dirname, 'guest', name), join(tree, name));
  chmodSync(join(tree, 'init'), 0o755);
  const initramfs = join(work, 'initramfs.gz');
  execFileSync('/bin/sh', ['-ec', `find . | ${busybox} cpio -o -H newc 2>/dev/null | gzip -1 >"$1"`, 'sh', initramfs], {
    cwd: tree,
  });
  rmSync(tree, { recursive: true });
  return { kernel, initramfs, qemu: qemuWords() };
}

/** Removes the initramfs. */
export function removeImage({ initramfs }: GuestImage): void {
  rmSync(dirname(initramfs), { recursive: true, force: true });
}

function kernelFile(): string | undefined {
  return globSync(join(kernelRoot, 'boot/vmlinuz-*'))[0];
}

function programOf(name: string): string | undefined {
  return ['/usr/bin', '/bin', '/usr/sbin'].map((folder) => `${folder}/${name}`).find((file) => existsSync(file));
}

function copyWithLibraries(program: string, to: string, tree: string): void {
  copyFileSync(program, to);
  const listed = execFileSync('ldd', [program], { encoding: 'utf8' });
  for (const [file] of listed.matchAll(/\/\S+/gu)) {
    mkdirSync(join(tree, dirname(file)), { recursive: true });
    copyFileSync(file, join(tree, file));
  }
}

function unpackModule(name: string, folder: string): void {
  const [file] = globSync(join(kernelRoot, `lib/modules/*/kernel/**/${name}.ko*`));
  if (file === undefined) return;
  const packer = file.endsWith('.xz') ? 'xz' : file.endsWith('.zst') ? 'zstd' : 'cat';
  const words = packer === 'cat' ? [file] : ['-dc', file];
  writeFileSync(join(folder, `${name}.ko`), execFileSync(packer, words, { maxBuffer: 1 << 26 }));
}

/** Its own loader finds its own libraries: nothing of the machine's is used. */
function qemuWords(): string[] {
  const libraries = join(qemuRoot, 'usr/lib/x86_64-linux-gnu');
  const [loader = ''] = globSync(join(libraries, 'ld-linux-x86-64.so.2'));
  const program = join(qemuRoot, 'usr/bin/qemu-system-x86_64');
  return [
    loader,
    '--library-path',
    libraries,
    program,
    '-L',
    join(qemuRoot, 'usr/share/qemu'),
    '-L',
    join(qemuRoot, 'usr/share/seabios'),
  ];
}

/** The kernel's release, for people: "6.12.118+deb13-cloud-amd64". */
export function releaseOf({ kernel }: GuestImage): string {
  return basename(kernel).replace('vmlinuz-', '');
}
