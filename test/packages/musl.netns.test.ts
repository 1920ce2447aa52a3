import { beforeAll, describe, expect, test } from 'vitest';
import { forMusl, lacksMusl, makeForMusl, onHost } from './made.ts';

const missing = process.env['DRAWBRIDGE_PACKAGES'] === 'long' ? lacksMusl() : 'only "npm run test:packages" runs it';

// Programs of the host are of glibc there, and the executable alone is of musl.
describe.skipIf(missing !== undefined)(`musl${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  beforeAll(makeForMusl, 300_000);

  test('the executable attaches a container with a policy, checks it, and leaves nothing', { timeout: 120_000 }, () => {
    const out = onHost(
      `
      mkdir /musl
      cp /packages/lib*.so* /musl
      cp /packages/ld-musl-x86_64.so.1 /lib
      ln -s ld-musl-x86_64.so.1 /lib/libc.musl-x86_64.so.1
      printf '/musl\\n/lib\\n' > /etc/ld-musl-x86_64.path
      /packages/drawbridge install > /dev/null
      drawbridge doctor --versions | grep '^C library' | tr -s ' '
      attach c1
      echo "public $(reach c1 93.184.216.34), private $(reach c1 192.168.77.7)"
      /packages/cnitool check drawbridge /run/netns/c1 && echo whole
      detach c1
      drawbridge uninstall > /dev/null
      rm -df /opt/cni/bin /opt/cni /etc/cni/net.d
      left`,
      forMusl,
    );
    expect(out.split('\n')).toEqual(['C library musl - -', 'public yes, private no', 'whole', 'left: nothing']);
  });
});
