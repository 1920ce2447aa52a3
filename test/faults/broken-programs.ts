/**
 * Stand-ins for the programs that the plugins run. Each call gets a number, and the one with the number that is
 * asked for goes wrong; all others are the real program.
 *
 *   /opt/faults/programs/{ip,nft,…}    first in PATH
 *   $FAULT_CALLS/<number>              "<program> <arguments>" of each call, in the order in which they began
 *   $FAULT_CALLS/at                    the number, where FAULT_AT is "later"
 */
import type { Host } from '../helpers/host.ts';

/**
 * How a call goes wrong: what becomes of the plugin ("kill") or of the program.
 *
 *   kill-before   the plugin is killed, the program does nothing
 *   kill-while    the plugin is killed, the program does its work after that
 *   kill-after    the program does its work, then the plugin is killed
 *   fail          the program does nothing and fails
 *   half          the program does the first half of its lines and fails
 *   killed        the program is killed
 *   warn          the program does its work and prints a warning
 *   hang          the program never ends
 */
export type Fault = 'kill-before' | 'kill-while' | 'kill-after' | 'fail' | 'half' | 'killed' | 'warn' | 'hang';

const folder = '/opt/faults/programs';
const usualPath = '/usr/sbin:/usr/bin:/sbin:/bin';
const programs = [
  'ip',
  'bridge',
  'tc',
  'nft',
  'nsenter',
  'tee',
  'conntrack',
  'unshare',
  'iptables',
  'ip6tables',
  'iptables-save',
  'ip6tables-save',
  'firewall-cmd',
];

const standIn = `#!/bin/sh
program=\${0##*/}
for real in /usr/sbin/$program /usr/bin/$program; do [ -x $real ] && break; done
[ -n "$FAULT_CALLS" ] || exec $real "$@"
n=0
set -C
until { true > "$FAULT_CALLS/$n"; } 2>/dev/null; do n=$((n + 1)); [ $n -lt 500 ] || exit 99; done
set +C
echo "$program $*" > "$FAULT_CALLS/$n"
at=$FAULT_AT
[ "$at" != later ] || at=$(cat "$FAULT_CALLS/at" 2>/dev/null)
[ "$n" = "$at" ] || exec $real "$@"
case $FAULT_HOW in
  kill-before) kill -9 $PPID; exit 1 ;;
  kill-while) kill -9 $PPID; exec $real "$@" ;;
  kill-after) $real "$@"; kill -9 $PPID; exit 1 ;;
  fail) echo "$program is broken today" >&2; exit 1 ;;
  half) input=$(cat); lines=$(printf '%s\\n' "$input" | wc -l)
    printf '%s\\n' "$input" | head -n $((lines / 2)) | $real "$@"; echo "$program broke in the middle" >&2; exit 1 ;;
  killed) kill -9 $$ ;;
  warn) echo "Warning: $program has seen better days" >&2; exec $real "$@" ;;
  hang) exec sleep 600 ;;
esac
`;

export async function installStandIns(host: Host): Promise<void> {
  await host.sh(
    `mkdir -p ${folder}; cat > ${folder}/stand-in; chmod +x ${folder}/stand-in
    for program in ${programs.join(' ')}; do
      if [ -x /usr/sbin/$program ] || [ -x /usr/bin/$program ]; then ln -f ${folder}/stand-in ${folder}/$program; fi
    done
    rm ${folder}/stand-in`,
    { input: standIn },
  );
}

let runs = 0;

/**
 * Environment in which call number `at` of a plugin goes wrong; -1 for none, "later" for what aimAt() says. Plugins
 * leave to programs what they could ask the kernel themselves, unless `children` is false.
 */
export async function brokenAt(
  host: Host,
  at: number | 'later',
  how: Fault | '',
  { children = true }: { children?: boolean } = {},
): Promise<{ env: Record<string, string>; calls: () => Promise<string[]> }> {
  const calls = `/opt/faults/calls-${++runs}`;
  await host.sh(`mkdir -p ${calls}`);
  return {
    env: {
      PATH: `${folder}:${usualPath}`,
      FAULT_CALLS: calls,
      FAULT_AT: String(at),
      FAULT_HOW: how,
      ...(children ? { DRAWBRIDGE_CHILDREN: '1' } : {}),
    },
    async calls() {
      const text = await host.sh(`cd ${calls}; n=0; while [ -e $n ]; do cat $n; n=$((n + 1)); done; rm -r ${calls}`);
      return text.split('\n').filter((line) => line !== '');
    },
  };
}

/** How many calls there were so far of a program that goes on. */
export async function callsSoFar(host: Host, { FAULT_CALLS: calls }: Record<string, string>): Promise<number> {
  return Number(await host.sh(`ls ${calls} | grep -cx '[0-9]*' || true`));
}

/** The call with this number goes wrong, of a program that runs already. */
export async function aimAt(host: Host, { FAULT_CALLS: calls }: Record<string, string>, at: number): Promise<void> {
  await host.sh(`echo ${at} > ${calls}/.at; mv ${calls}/.at ${calls}/at`);
}
