/** Runs refresh() in the host that it is started in and prints its report. */
import { refresh } from '../../../src/plugins/egress-policy/refresh.ts';

console.log(JSON.stringify(await refresh({ force: process.argv[2] === 'force' })));
