import { run } from './host/run.ts';
import { lock } from 'proper-lockfile';
import { Address4 } from 'ip-address';

void (async () => {
  const t = process.hrtime.bigint();
  console.log(new Address4('10.0.0.1').isCorrect, typeof lock);
  console.log((await run('ip', ['-V'])).stdout, Number(process.hrtime.bigint() - t) / 1e6);
})();
