import { startMonitor, type Monitor } from '../../host/monitor.ts';
import { filterChangeOf, linkChangeOf } from './ip-event.ts';
import { changesOf } from './nft-event.ts';
import { everythingOf, type ChangeEvent } from './change-event.ts';

/**
 * Watches rules and links of the host, whoever changes them.
 *
 * Three times nft, each for a part: what nft 1.0.6 prints of new elements ends it where ranges are among them, and that
 * would be whenever a policy comes. New elements tell nothing that matters here.
 */
export function startMonitors(notice: (changes: readonly ChangeEvent[]) => void): Monitor[] {
  const nft = ['destroy', 'new rules', 'new chains'].map((part) =>
    startMonitor('nft', ['monitor', ...part.split(' ')], {
      onLine: (line) => notice(changesOf(line)),
      onGap: () => notice(everythingOf('tables', 'expiring', 'chains', 'firewalls')),
    }),
  );
  const links = [
    watch('ip', ['monitor', 'link', 'address', 'rule', 'netconf'], linkChangeOf),
    watch('tc', ['monitor'], filterChangeOf),
  ];
  return [...nft, ...links];

  function watch(program: string, args: readonly string[], signOf: (line: string) => ChangeEvent | undefined): Monitor {
    return startMonitor(program, args, {
      onLine: (line) => {
        const change = signOf(line);
        if (change !== undefined) notice([change]);
      },
      onGap: () => notice(everythingOf('links')),
    });
  }
}
