import type { Preset } from './preset.ts';

/**
 * The index only names packages: their files are archives on the hosts of their sources, which is mostly the preset
 * "github".
 */
export const php: Preset = {
  about: 'packages of Composer, and Composer itself',
  checked: { on: '2026-11-27', against: 'GitHub Docs, "Copilot allowlist reference"' },
  zones: [
    {
      ports: ['443/tcp'],
      names: ['org.getcomposer', 'org.packagist', 'org.packagist.repo'],
    },
  ],
};
