import type { Preset } from './preset.ts';

/**
 * What git, its large files and a download of a release need. Git over SSH is an entry of its own: port 22 is not here.
 */
export const github: Preset = {
  about: 'git, releases, raw files, LFS and uploads of GitHub, over HTTPS',
  checked: { on: '2026-11-27', against: 'GitHub Docs, "Copilot allowlist reference"' },
  zones: [
    {
      ports: ['443/tcp'],
      names: [
        'com.amazonaws.s3.github-cloud',
        'com.github',
        'com.github.api',
        'com.github.codeload',
        'com.github.gist',
        'com.github.lfs',
        'com.github.uploads',
        'com.githubusercontent.gist',
        'com.githubusercontent.github-cloud',
        'com.githubusercontent.github-releases',
        'com.githubusercontent.media',
        'com.githubusercontent.objects',
        'com.githubusercontent.raw',
        'com.githubusercontent.release-assets',
      ],
    },
  ],
};
