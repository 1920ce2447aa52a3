import type { Preset } from './preset.ts';

/*
 * The presets that sandboxes for code agents offer under these names. The names lead to HTTPS only:
 * a port of its own is one line under `allow` ("github.com:22/tcp").
 */

/**
 * Every public destination, over every protocol. Private ranges, link-local, metadata and bogons stay
 * closed, as in mode restricted: what opens those too is mode open.
 */
export const unrestricted: Preset = { about: 'the public internet', zones: [], prefixes: ['0.0.0.0/0', '::/0'] };

/** What a developer or a code agent needs from morning to evening. */
export const dev: Preset = {
  about: 'source hosting, package registries, model APIs',
  zones: [
    {
      ports: ['443/tcp'],
      names: [
        'com.anthropic.api',
        'com.github',
        'com.github.api',
        'com.openai.api',
        'io.crates',
        'io.crates.index',
        'io.crates.static',
        'org.npmjs.registry',
        'org.pypi',
        'org.pythonhosted.files',
      ],
    },
  ],
};

/** Packages for a build, and nothing else. */
export const registries: Preset = {
  about: 'package registries of Node.js, Python and Rust',
  zones: [
    {
      ports: ['443/tcp'],
      names: [
        'io.crates',
        'io.crates.index',
        'io.crates.static',
        'org.npmjs.registry',
        'org.pypi',
        'org.pythonhosted.files',
      ],
    },
  ],
};

/** Nothing beyond the host, where the resolver is: `hostPorts` decides about that. */
export const none: Preset = { about: 'DNS only', zones: [] };
