/** Unpacks Debian's Prometheus below test/.cache, for the tests of dashboard and alerts: `npm run test:metrics`. */
import { unpack } from '../firewall/packages.ts';

if (unpack('prometheus') === undefined) process.exitCode = 1;
