/** Unpacks Debian's Chromium below test/.cache, for the tests of the page: `npm run test:page`. */
import { unpack } from '../firewall/packages.ts';

if (unpack('chromium') === undefined) process.exitCode = 1;
