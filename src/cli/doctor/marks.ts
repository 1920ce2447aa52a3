import { marksFile, marksInForce, readMarks } from '../../egress/load-marks.ts';
import { freeMarks, marksText, parseMarks } from '../../egress/mark-bits.ts';
import { marksProblem, ownMarks } from '../../egress/marks.ts';
import { findMarkUsers } from '../../host/firewall/find-mark-users.ts';
import { CniError } from '../../cni/errors.ts';
import type { Check, Trouble } from './check.ts';

/** Whether somebody else reads or writes the bits of marks that are ours. */
export const marksCheck: Check = {
  name: 'marks',
  about: 'bits of marks',
  run: async ({ attachments }) => [...fileTroubles(), ...(attachments.length === 0 ? [] : await userTroubles())],
};

function fileTroubles(): Trouble[] {
  const refused = (error: CniError): Trouble => ({
    severity: 'problem',
    found: error.message,
    why: 'no container can be added until it is understood, or gone',
    remedy: error.details ?? `mend or remove ${marksFile}`,
    isAdvice: true,
  });
  if (marksProblem !== undefined) return [refused(marksProblem)];
  try {
    const chosen = readMarks(marksFile);
    if (chosen === undefined || marksText(chosen) === ownMarks) return [];
  } catch (error) {
    if (error instanceof CniError) return [refused(error)];
    throw error;
  }
  return [
    {
      severity: 'notice',
      found: `"${marksFile}" has other bits of marks than are in force (${marksInForce})`,
      why: 'what stands in the kernel is known by them: a change holds when there is no container any more',
      remedy: 'remove all containers, or reboot; restart the agent',
      isAdvice: true,
    },
  ];
}

/** So many rules are named. */
const mostNamed = 3;

async function userTroubles(): Promise<Trouble[]> {
  const users = await findMarkUsers();
  const own = parseMarks(ownMarks, marksInForce);
  const sum = (bits: readonly number[]): number => bits.reduce((all, bit) => all + bit, 0);
  const ours = { packet: sum(own.packet), connection: sum(own.connection) };
  const found = users.filter(
    ({ packet, connection }) => (packet & ours.packet) !== 0 || (connection & ours.connection) !== 0,
  );
  if (found.length === 0) return [];
  const used = users.reduce(
    (all, { packet, connection }) => ({ packet: all.packet | packet, connection: all.connection | connection }),
    { packet: 0, connection: 0 },
  );
  const free = freeMarks(used);
  const more = found.length - mostNamed;
  return [
    {
      severity: 'warning',
      found: `rules of others use bits of marks that are ours (${ownMarks.trim().replace('\n', ', ')}): ${found
        .slice(0, mostNamed)
        .map(({ rule }) => `"${rule}"`)
        .join(', ')}${more > 0 ? ` and ${more} more` : ''}`,
      why: 'each takes what the other says of a packet for its own: containers are cut off, or the other program errs',
      ...(free === undefined
        ? { remedy: 'have that program use a mask of its own: no bits are left that nobody uses', isAdvice: true }
        : {
            remedy: `printf '${free.replaceAll('\n', '\\n')}' > ${marksFile}   # holds when all containers are gone, or after a reboot; restart the agent`,
          }),
    },
  ];
}
