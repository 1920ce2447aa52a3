import type { Preset } from './preset.ts';

/**
 * The sparse index, the files of crates, and what the installer of toolchains asks.
 */
export const rust: Preset = {
  about: 'crates and toolchains of Rust',
  checked: { on: '2026-11-27', against: 'GitHub Docs, "Copilot allowlist reference"' },
  zones: [
    {
      ports: ['443/tcp'],
      names: ['io.crates', 'io.crates.index', 'io.crates.static', 'org.rust-lang.static', 'rs.rustup.sh'],
    },
  ],
};
