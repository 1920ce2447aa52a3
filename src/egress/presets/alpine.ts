import type { Preset } from './preset.ts';

/**
 * The mirror that its images name.
 */
export const alpine: Preset = {
  about: 'package archives of Alpine',
  checked: { on: '2026-11-27', against: 'GitHub Docs, "Copilot allowlist reference"' },
  zones: [
    {
      ports: ['80/tcp', '443/tcp'],
      names: ['org.alpinelinux.dl-cdn'],
    },
  ],
};
