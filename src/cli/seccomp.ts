import { nearestTo } from '../cni/nearest.ts';
import { guestManifest, seccompProfile } from '../seccomp/profile.ts';
import { aboutTier, callsOf, processors, tierNames, type Processor } from '../seccomp/tiers.ts';
import { UsageError, type Invocation } from './command.ts';
import { printJson, type Terminal } from './terminal.ts';
import { hang, wrap } from './wrap.ts';

/** The tiers of system calls, or one of them as a profile that runtimes take. */
export async function run({ operands: [asked], options }: Invocation, terminal: Terminal): Promise<number> {
  const processor = processorOf(options['processor']);
  if (asked === undefined) {
    if (options['json'] === true)
      printJson(
        terminal,
        tierNames.map((name) => describe(name, processor)),
      );
    else showTiers(processor, terminal);
    return 0;
  }
  const tier = tierNames.find((name) => name === asked);
  if (tier === undefined) {
    const near = nearestTo(asked, tierNames);
    throw new UsageError(
      `There is no tier "${asked}"${near === undefined ? '' : `: the nearest one is "${near}"`}\nThe tiers are ${tierNames.join(', ')}`,
      'seccomp',
    );
  }
  printJson(terminal, options['form'] === 'guest' ? guestManifest(tier, processor) : seccompProfile(tier, processor));
  return 0;
}

/** The one that was asked for, or else that of this host. */
function processorOf(asked: string | true | undefined): Processor {
  return processors.find((name) => name === asked) ?? (process.arch === 'arm64' ? 'aarch64' : 'x86_64');
}

function describe(
  name: (typeof tierNames)[number],
  processor: Processor,
): { tier: string; about: string; processor: Processor; calls: number | null } {
  return { tier: name, about: aboutTier(name), processor, calls: callsOf(name, processor)?.length ?? null };
}

function showTiers(processor: Processor, { out, paint, width }: Terminal): void {
  const column = Math.max(...tierNames.map((name) => name.length)) + 4;
  for (const name of tierNames) {
    const { about, calls } = describe(name, processor);
    const words = calls === null ? about : `${about} (${calls} calls of ${processor})`;
    out(`${paint.strong(name)}${' '.repeat(column - name.length)}${hang(words, width, column)}`);
  }
  out('');
  out(
    wrap(
      '"drawbridge seccomp TIER > FILE" writes a profile; nerdctl and podman take it with "--security-opt seccomp=FILE --security-opt no-new-privileges", ctr with "--seccomp-profile FILE"',
      width,
    ),
  );
}
