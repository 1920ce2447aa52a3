import { startMonitor, type Monitor } from '../../host/monitor.ts';
import { filterSignOf, linkSignOf } from './ip-event.ts';
import { signsOf } from './nft-event.ts';
import { everythingOf, type Sign } from './sign.ts';

/**
 * Watches rules and links of the host, whoever changes them.
 *
 * Three times nft, each for a part: what nft 1.0.6 prints of new elements ends it where ranges are among them, and that
 * would be whenever a policy comes. New elements tell nothing that matters here.
 */
export function startMonitors(notice: (signs: readonly Sign[]) => void): Monitor[] {
  const nft = ['destroy', 'new rules', 'new chains'].map((part) =>
    startMonitor('nft', ['monitor', ...part.split(' ')], {
      onLine: (line) => notice(signsOf(line)),
      onGap: () => notice(everythingOf('tables', 'timed', 'chains', 'firewalls')),
    }),
  );
  const links = [
    watch('ip', ['monitor', 'link', 'address', 'rule', 'netconf'], linkSignOf),
    watch('tc', ['monitor'], filterSignOf),
  ];
  return [...nft, ...links];

  function watch(program: string, args: readonly string[], signOf: (line: string) => Sign | undefined): Monitor {
    return startMonitor(program, args, {
      onLine: (line) => {
        const sign = signOf(line);
        if (sign !== undefined) notice([sign]);
      },
      onGap: () => notice(everythingOf('links')),
    });
  }
}
