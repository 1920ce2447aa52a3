import type { Preset } from './preset.ts';

/**
 * The registry of packages and where the package managers themselves come from.
 */
export const node: Preset = {
  about: 'packages of Node.js, its own downloads, Yarn, pnpm, Bun and Deno',
  checked: { on: '2026-11-27', against: 'GitHub Docs, "Copilot allowlist reference"' },
  zones: [
    {
      ports: ['443/tcp'],
      names: [
        'com.npmjs.registry',
        'com.yarnpkg.registry',
        'com.yarnpkg.repo',
        'io.jsr',
        'io.jsr.npm',
        'io.pnpm.get',
        'land.deno',
        'org.nodejs',
        'org.npmjs.registry',
        'sh.bun',
      ],
    },
  ],
};
