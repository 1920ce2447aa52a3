import type { Preset } from './preset.ts';

/**
 * The registry, and where its installer takes the SDK from.
 */
export const dotnet: Preset = {
  about: 'packages of .NET, and the SDK',
  checked: { on: '2026-11-27', against: 'GitHub Docs, "Copilot allowlist reference"' },
  zones: [
    {
      ports: ['443/tcp'],
      names: [
        'com.microsoft.dotnet',
        'com.microsoft.dotnet.builds',
        'net.azureedge.dotnetcli',
        'net.dot',
        'net.dot.ci',
        'net.windows.core.blob.dotnetcli',
        'org.nuget.api',
        'org.nuget.globalcdn',
        'org.nuget.www',
      ],
    },
  ],
};
