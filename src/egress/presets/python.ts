import type { Preset } from './preset.ts';

/**
 * Indexes and files of both package managers.
 */
export const python: Preset = {
  about: 'packages of Python, pip itself, conda and the wheels of PyTorch',
  checked: { on: '2026-11-27', against: 'GitHub Docs, "Copilot allowlist reference"' },
  zones: [
    {
      ports: ['443/tcp'],
      names: [
        'com.anaconda.repo',
        'io.pypa.bootstrap',
        'org.anaconda.conda',
        'org.pypi',
        'org.python.www',
        'org.pythonhosted.files',
        'org.pytorch.download',
      ],
    },
  ],
};
