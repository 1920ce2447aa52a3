import type { Preset } from './preset.ts';

/**
 * The large registries of container images, with the hosts that they send a pull on to: token servers and blob stores.
 */
export const containerRegistries: Preset = {
  about: 'registries of container images, with their token servers and blob stores',
  zones: [
    {
      ports: ['443/tcp'],
      names: [
        'aws.ecr.public',
        'com.cloudflarestorage.r2.6aa30f8b08e16409b46e0173d6de2f56.docker-images-prod',
        'com.docker.cloudflare.production',
        'com.githubusercontent.pkg-containers',
        'com.gitlab.registry',
        'com.googleapis.storage',
        'com.microsoft.mcr',
        'io.docker.auth',
        'io.docker.index',
        'io.docker.registry-1',
        'io.gcr',
        'io.ghcr',
        'io.k8s.registry',
        'io.quay',
        'io.quay.cdn',
        'io.quay.cdn01',
        'io.quay.cdn02',
        'io.quay.cdn03',
      ],
    },
  ],
};
