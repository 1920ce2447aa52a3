import type { Preset } from './preset.ts';

/**
 * The archives of all processors, personal archives, and the keys of the latter.
 */
export const ubuntu: Preset = {
  about: 'package archives of Ubuntu',
  checked: { on: '2026-11-27', against: 'GitHub Docs, "Copilot allowlist reference"' },
  zones: [
    {
      ports: ['80/tcp', '443/tcp'],
      names: [
        'com.ubuntu.archive',
        'com.ubuntu.keyserver',
        'com.ubuntu.ports',
        'com.ubuntu.security',
        'net.launchpadcontent.ppa',
      ],
    },
  ],
};
