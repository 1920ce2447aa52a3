import { beforeAll, describe, expect, test } from 'vitest';
import { lacks, makePackages, next, onHost } from './made.ts';

const missing = lacks();
/** Milliseconds: each unpacks packages of 120 MB several times. */
const timeout = 600_000;

const conflist = '/etc/cni/net.d/10-drawbridge.conflist';
const debOf = (version: string) => `/packages/drawbridge_${version}-1_amd64.deb`;
const rpmOf = (version: string) => `/packages/drawbridge-${version}-1.x86_64.rpm`;

describe.skipIf(missing !== undefined)(`packages${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  beforeAll(makePackages, 900_000);

  test('the .deb puts command, plugins, pages, completions and unit where a host looks for them', () => {
    const out = onHost(`
      dpkg -i ${debOf('0.1.0')} >/dev/null
      command -v drawbridge
      drawbridge --version
      ls /usr/share/man/man8/*drawbridge.8.gz /usr/share/man/man8/drawbridge-explain.8.gz
      zcat /usr/share/man/man8/egress-policy.8.gz | grep -c '^.TH'
      ls /opt/cni/bin /usr/share/bash-completion/completions/drawbridge /usr/share/zsh/vendor-completions/_drawbridge
      grep ^ExecStart= /usr/lib/systemd/system/drawbridge-agent.service
      dpkg --verify drawbridge
      stat -c %a /`);
    expect(out.split('\n')).toEqual([
      '/usr/sbin/drawbridge',
      expect.stringContaining('0.1.0'),
      '/usr/share/man/man8/drawbridge-explain.8.gz',
      '/usr/share/man/man8/drawbridge.8.gz',
      '1',
      '/usr/share/bash-completion/completions/drawbridge',
      '/usr/share/zsh/vendor-completions/_drawbridge',
      '',
      '/opt/cni/bin:',
      'drawbridge',
      'egress-policy',
      'ExecStart=/usr/sbin/drawbridge agent --clean $AGENT_OPTIONS',
      '755',
    ]);
  });

  test('a container has its policy after the .deb alone, and nothing is left after its removal', () => {
    const out = onHost(`
      dpkg -i ${debOf('0.1.0')} >/dev/null
      attach c1
      echo "public $(reach c1 93.184.216.34), private $(reach c1 192.168.77.7)"
      detach c1
      dpkg --purge drawbridge >/dev/null
      echo "purged: $?"
      left`);
    expect(out.split('\n')).toEqual(['public yes, private no', 'purged: 0', 'left: nothing']);
  });

  test('an upgrade and a downgrade cut no connection, and keep policies and an edited network', { timeout }, () => {
    const out = onHost(`
      dpkg -i ${debOf('0.1.0')} >/dev/null
      attach c1
      talk c1
      sleep 0.5
      sed -i 's/"hairpinMode": true/"hairpinMode": false/' ${conflist}
      for version in ${next} 0.1.0; do
        dpkg -i --force-downgrade "/packages/drawbridge_$version-1_amd64.deb" >/dev/null 2>&1
        echo "$version: $?, $(drawbridge --version | grep -o "$version")"
        attach "c-$version"
        echo "new: public $(reach "c-$version" 93.184.216.34), private $(reach "c-$version" 192.168.77.7)"
        echo "old: public $(reach c1 93.184.216.34), private $(reach c1 192.168.77.7)"
        echo "$(drawbridge doctor --json | grep -c '"severity": "problem"') problems"
      done
      talked
      grep -o '"hairpinMode": false' ${conflist}
      detach c1; detach c-${next}; detach c-0.1.0
      dpkg --purge drawbridge >/dev/null
      left`);
    expect(out.split('\n')).toEqual([
      ...[next, '0.1.0'].flatMap((version) => [
        `${version}: 0, ${version}`,
        'new: public yes, private no',
        'old: public yes, private no',
        '0 problems',
      ]),
      'whole',
      '"hairpinMode": false',
      'left: nothing',
    ]);
  });

  test('a removal keeps an edited network where no runtime reads it, until the package is back', () => {
    const out = onHost(`
      dpkg -i ${debOf('0.1.0')} >/dev/null
      sed -i 's/"hairpinMode": true/"hairpinMode": false/' ${conflist}
      dpkg --remove drawbridge >/dev/null
      ls /etc/cni/net.d
      dpkg -i ${debOf('0.1.0')} >/dev/null
      ls /etc/cni/net.d
      grep -o '"hairpinMode": false' ${conflist}`);
    expect(out.split('\n')).toEqual([
      '10-drawbridge.conflist.dpkg-removed',
      '10-drawbridge.conflist',
      '"hairpinMode": false',
    ]);
  });

  test('a package whose executable is not ours is refused by its own script', () => {
    const out = onHost(`dpkg -i ${debOf('9.9.9')} 2>&1; echo "status $?"`);
    expect(out).toContain('does not answer VERSION as a CNI plugin');
    expect(out).toMatch(/status 1$/);
  });

  test('a removal is refused while a container is attached, and the container goes on', () => {
    const out = onHost(`
      dpkg -i ${debOf('0.1.0')} >/dev/null
      attach c1
      dpkg --remove drawbridge 2>&1
      echo "status $?"
      echo "public $(reach c1 93.184.216.34), private $(reach c1 192.168.77.7)"
      detach c1
      dpkg --purge drawbridge >/dev/null
      left`);
    expect(out).toContain('Cannot uninstall: 1 container is attached');
    expect(out).toMatch(/status 1\npublic yes, private no\nleft: nothing$/);
  });

  test('the .rpm is installed, upgraded and removed, keeps an edited network, and leaves nothing', { timeout }, () => {
    const out = onHost(`
      rpm -i --nodeps ${rpmOf('0.1.0')}
      attach c1
      talk c1
      sed -i 's/"hairpinMode": true/"hairpinMode": false/' ${conflist}
      rpm -U --nodeps ${rpmOf(next)}
      drawbridge --version
      grep -o '"hairpinMode": false' ${conflist}
      attach c2
      echo "public $(reach c2 93.184.216.34), private $(reach c2 192.168.77.7)"
      rpm -U --nodeps --oldpackage ${rpmOf('0.1.0')}
      talked
      rpm -e drawbridge >/dev/null 2>&1
      echo "refused: $?"
      detach c1; detach c2
      rpm -e drawbridge 2>&1 | grep ^warning
      left`);
    expect(out.split('\n')).toEqual([
      `drawbridge ${next}`,
      '"hairpinMode": false',
      'public yes, private no',
      'whole',
      'refused: 1',
      `warning: ${conflist} saved as ${conflist}.rpmsave`,
      `left: ${conflist}.rpmsave`,
    ]);
  });
});
