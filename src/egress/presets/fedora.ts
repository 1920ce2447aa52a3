import type { Preset } from './preset.ts';

/**
 * A list of mirrors sends a client on to any of hundreds: set `baseurl` to the first of these names in its
 * configuration.
 */
export const fedora: Preset = {
  about: 'package archives of Fedora, without its mirrors',
  checked: { on: '2026-11-27', against: 'GitHub Docs, "Copilot allowlist reference"' },
  zones: [
    {
      ports: ['80/tcp', '443/tcp'],
      names: [
        'org.fedoraproject.dl',
        'org.fedoraproject.download',
        'org.fedoraproject.mirrors',
        'org.fedoraproject.registry',
        'org.fedoraproject.registry.cdn',
      ],
    },
  ],
};
