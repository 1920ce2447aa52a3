import type { Preset } from './preset.ts';

/**
 * Downloads of Gradle and of most builds of the JDK end at releases on GitHub: name the preset "github" beside this
 * one.
 */
export const java: Preset = {
  about: 'artifacts of Maven and Gradle, and builds of the JDK',
  checked: { on: '2026-11-27', against: 'GitHub Docs, "Copilot allowlist reference"' },
  zones: [
    {
      ports: ['443/tcp'],
      names: [
        'com.google.dl',
        'com.google.maven',
        'io.foojay.api',
        'net.adoptium.api',
        'org.apache.maven.repo',
        'org.gradle.downloads',
        'org.gradle.plugins',
        'org.gradle.plugins-artifacts',
        'org.gradle.services',
        'org.maven.repo1',
      ],
    },
  ],
};
