import type { Preset } from './preset.ts';

/**
 * The registry chooses for each request to which of its stores it sends a client on; the newest joined in 2026.
 */
export const dockerHub: Preset = {
  about: 'pulls from and pushes to Docker Hub',
  checked: { on: '2026-11-27', against: 'Docker Docs, "Allowlist for Docker Desktop", and its pull request 25122' },
  zones: [
    {
      ports: ['443/tcp'],
      names: [
        'com.cloudflarestorage.r2.6aa30f8b08e16409b46e0173d6de2f56.docker-images-prod',
        'com.docker.cloudflare.production',
        'com.docker.cloudfront.production',
        'io.docker.auth',
        'io.docker.index',
        'io.docker.registry-1',
      ],
    },
  ],
};
