import type { Preset } from './preset.ts';

const debian = ['org.debian.deb', 'org.debian.ftp', 'org.debian.security'];
const ubuntu = ['com.ubuntu.archive', 'com.ubuntu.ports', 'com.ubuntu.security'];
const alpine = ['org.alpinelinux.dl-cdn'];

/**
 * Where packages of Debian, Ubuntu and Alpine come from. Distributions that send a client on to any of hundreds of
 * mirrors are not here: a mirror of one's own is an entry of `allow`.
 */
export const osPackages: Preset = {
  about: 'package archives of Debian, Ubuntu and Alpine',
  zones: [{ ports: ['80/tcp', '443/tcp'], names: [...ubuntu, ...alpine, ...debian] }],
};

/**
 * What a Miren server and the builds on it call: its cloud, images, packages of four languages, certificates, system
 * packages.
 */
export const miren: Preset = {
  about: 'what a Miren server and its builds call',
  zones: [
    {
      ports: ['443/tcp'],
      names: [
        'cloud.miren.api',
        'cloud.miren.oci',
        'io.docker.registry-1',
        'org.golang.proxy',
        'org.npmjs.registry',
        'org.pypi',
        'org.rubygems',
      ],
    },
    // Where those send their clients on to: image tokens and blobs, checksums of modules, files and indexes of
    // packages.
    {
      ports: ['443/tcp'],
      names: [
        'com.cloudflarestorage.r2.6aa30f8b08e16409b46e0173d6de2f56.docker-images-prod',
        'com.docker.cloudflare.production',
        'com.docker.cloudfront.production',
        'io.docker.auth',
        'io.docker.index',
        'org.golang.sum',
        'org.pythonhosted.files',
        'org.rubygems.index',
      ],
    },
    // ACME.
    { ports: ['80/tcp', '443/tcp'], names: ['org.letsencrypt.api.acme-staging-v02', 'org.letsencrypt.api.acme-v02'] },
    { ports: ['80/tcp', '443/tcp'], names: [...ubuntu, ...alpine, ...debian] },
  ],
};
