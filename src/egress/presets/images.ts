import { dockerHub } from './docker-hub.ts';
import { kubernetesRegistry } from './kubernetes-registry.ts';
import type { Preset } from './preset.ts';

/**
 * The large registries of container images, with the hosts that they send a pull on to: token servers and blob stores.
 */
export const containerRegistries: Preset = {
  about: 'registries of container images, with their token servers and blob stores',
  checked: {
    on: '2026-11-27',
    against:
      'documents of the registries: Docker Docs, "Allowlist for Docker Desktop"; source of the registry of Kubernetes; Microsoft Learn, client firewall rules of its registry',
  },
  zones: [
    ...dockerHub.zones,
    kubernetesRegistry,
    {
      ports: ['443/tcp'],
      names: [
        'aws.ecr.public',
        'com.amazonaws.s3.quayio-production-s3',
        'com.githubusercontent.pkg-containers',
        'com.gitlab',
        'com.gitlab.registry',
        'com.googleapis.storage',
        'com.microsoft.mcr',
        'com.microsoft.mcr.data.*',
        'io.gcr',
        'io.ghcr',
        'io.quay',
        'io.quay.cdn',
        'io.quay.cdn01',
        'io.quay.cdn02',
        'io.quay.cdn03',
        'io.quay.cdn04',
        'io.quay.cdn05',
        'io.quay.cdn06',
        'net.gitlab-static.registry.cdn',
      ],
    },
  ],
};
