import type { Preset } from './preset.ts';

/**
 * The module proxy, which sends large modules and toolchains on to the storage of its operator.
 */
export const go: Preset = {
  about: 'modules, checksums and toolchains of Go',
  checked: { on: '2026-11-27', against: 'GitHub Docs, "Copilot allowlist reference"' },
  zones: [
    {
      ports: ['443/tcp'],
      names: ['com.google.dl', 'com.googleapis.storage', 'dev.go', 'org.golang', 'org.golang.proxy', 'org.golang.sum'],
    },
  ],
};
