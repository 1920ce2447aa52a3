/**
 * An image for the runtimes, made here from Debian's static busybox: there is no image registry.
 *
 * It is an OCI image layout in a tar archive, with Docker's manifest.json besides, so that `ctr image import`,
 * `nerdctl load` and `podman load` all take it.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { tar, type TarEntry } from '../../bundle/tar.ts';

/** Name of the image. Nobody asks a registry for it: every client is told not to pull. */
export const imageName = 'drawbridge.test/busybox:1';

/** What an image is called and does; clients that bring tests of their own want theirs. */
export interface ImageOptions {
  readonly name?: string;
  /** What a container of it runs, unless it is told otherwise. */
  readonly command?: readonly string[];
  /** The page that its web server has. */
  readonly page?: string;
}

const applets = [
  'sh',
  'sleep',
  'cat',
  'echo',
  'ip',
  'nc',
  'httpd',
  'wget',
  'ping',
  'ls',
  'kill',
  'true',
  'hostname',
  'udpsvd',
  'tcpsvd',
  'ifconfig',
  'mkdir',
  'touch',
  'env',
  'ps',
  'grep',
  'date',
  'head',
  'printf',
  'cut',
];

export function image({
  name = imageName,
  command = ['/bin/sleep', '100000'],
  page = 'inside\n',
}: ImageOptions = {}): Buffer {
  const layer = tar(layerEntries(page));
  const config = json({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: { Cmd: command, Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
    history: [{ created: '1970-01-01T00:00:00Z', created_by: 'drawbridge' }],
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: [descriptor('application/vnd.oci.image.layer.v1.tar', layer)],
  });
  const index = json({
    schemaVersion: 2,
    manifests: [
      {
        ...descriptor('application/vnd.oci.image.manifest.v1+json', manifest),
        annotations: {
          'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1),
          'io.containerd.image.name': name,
        },
      },
    ],
  });
  const docker = json([{ Config: blob(config), RepoTags: [name], Layers: [blob(layer)] }]);
  return tar([
    { name: 'oci-layout', data: '{"imageLayoutVersion":"1.0.0"}' },
    { name: 'index.json', data: index },
    { name: 'manifest.json', data: docker },
    { name: 'blobs/', folder: true },
    { name: 'blobs/sha256/', folder: true },
    ...[layer, config, manifest].map((data) => ({ name: blob(data), data })),
  ]);
}

function layerEntries(page: string): TarEntry[] {
  const folders = ['bin/', 'etc/', 'proc/', 'sys/', 'dev/', 'tmp/', 'root/', 'www/'];
  return [
    ...folders.map((name): TarEntry => ({ name, folder: true })),
    { name: 'bin/busybox', data: readFileSync('/bin/busybox'), mode: 0o755 },
    ...applets.map((name): TarEntry => ({ name: `bin/${name}`, link: 'busybox' })),
    { name: 'etc/passwd', data: 'root:x:0:0:root:/root:/bin/sh\n' },
    { name: 'etc/group', data: 'root:x:0:\n' },
    { name: 'www/index.html', data: page },
    // What Alpine's package manager is asked for by tests that want to know whether the internet is there.
    {
      name: 'bin/apk',
      data: '#!/bin/sh\n[ "$(nc 8.8.8.8 80 < /dev/null | cut -c1-5)" = hello ] && echo OK\n',
      mode: 0o755,
    },
  ];
}

function descriptor(mediaType: string, data: Buffer): Record<string, unknown> {
  return { mediaType, digest: `sha256:${sha256(data)}`, size: data.length };
}

function blob(data: Buffer): string {
  return `blobs/sha256/${sha256(data)}`;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
