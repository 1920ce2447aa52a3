import type { Preset } from './preset.ts';

/**
 * Packages are signed, so plain HTTP is enough for them and is the default of older releases.
 */
export const debian: Preset = {
  about: 'package archives of Debian',
  checked: { on: '2026-11-27', against: 'GitHub Docs, "Copilot allowlist reference"' },
  zones: [
    {
      ports: ['80/tcp', '443/tcp'],
      names: ['org.debian.deb', 'org.debian.ftp', 'org.debian.security'],
    },
  ],
};
