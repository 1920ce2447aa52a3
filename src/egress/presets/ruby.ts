import type { Preset } from './preset.ts';

/**
 * The registry with its index, and the source archives of the language.
 */
export const ruby: Preset = {
  about: 'gems, and Ruby itself',
  checked: { on: '2026-11-27', against: 'GitHub Docs, "Copilot allowlist reference"' },
  zones: [
    {
      ports: ['443/tcp'],
      names: ['org.ruby-lang.cache', 'org.rubygems', 'org.rubygems.api', 'org.rubygems.bundler', 'org.rubygems.index'],
    },
  ],
};
