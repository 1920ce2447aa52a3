import type { Verdict } from '../../egress/judge.ts';
import { findTranslation } from '../../host/firewall/translations.ts';
import { familyOf } from '../../ip/family.ts';
import { hostText } from '../../ip/host-text.ts';
import { ingressInterfaceOf } from '../../records/sections.ts';
import { verdictOf, type Ground } from '../../repair/survey/verdict.ts';
import type { AskedDestination } from './destination.ts';

/** Where rules of others lead what a container sends to an address of the host. */
export interface ForeignWay {
  readonly asked: string;
  readonly target: string;
  readonly port?: number;
  readonly rule: string;
}

/** Undefined where the address is no one of the host, a port of ours leads on, or nobody translates it. */
export async function findForeignWay(
  address: string,
  { protocol, port }: AskedDestination,
  { record, surroundings }: Ground,
): Promise<ForeignWay | undefined> {
  const { gateways, hostAddresses, published } = surroundings;
  const from = ingressInterfaceOf(record);
  const isHost = [...gateways, ...hostAddresses].includes(address) && !/^(?:127\.|::1$)/u.test(address);
  const isOurs = published.some(
    (one) => one.protocol === protocol && one.port === port && (one.hostAddress ?? address) === address,
  );
  if (!isHost || isOurs || from === undefined || record.egress === undefined) return undefined;
  const found = await findTranslation({
    in: from,
    protocol,
    destination: address,
    ...(port === undefined ? {} : { port }),
  });
  // Without an address it is the host's own, at the interface that the packet came in by.
  const target = found?.address ?? gateways.find((gateway) => familyOf(gateway) === familyOf(address));
  if (found === undefined || target === undefined) return undefined;
  const led = found.port ?? port;
  return { asked: address, target, ...(led === undefined ? {} : { port: led }), rule: found.rule };
}

/**
 * The verdict on what was asked for as the kernel gives it: what leaves the host again is a destination like any other,
 * by the address that was asked for, and a container of ours has its say besides; what stays at the host is judged as
 * the host, by where it is led to.
 */
export function verdictThrough(way: ForeignWay, asked: AskedDestination, ground: Ground): Verdict {
  const { surroundings, record } = ground;
  const { protocol } = asked;
  const port = asked.port ?? 0;
  const published = [...surroundings.published, { hostAddress: way.asked, protocol, port }];
  const first = verdictOf(way.asked, asked, { ...ground, surroundings: { ...surroundings, published } });
  const isDenied = first.verdict === 'deny';
  const led = { ...asked, host: way.target, isName: false, ...(way.port === undefined ? {} : { port: way.port }) };
  const isHost = [...surroundings.gateways, ...surroundings.hostAddresses].includes(way.target);
  if (isHost && !(isDenied && first.rule.startsWith('deny '))) return told(verdictOf(way.target, led, ground), way);
  const isSibling = surroundings.siblings.some(({ address }) => address === way.target);
  if (isDenied || !isSibling || record.egress === undefined) return told(first, way);
  // "deny" is about what was asked for.
  const policy = { ...record.egress.policy, deny: [] };
  const second = verdictOf(way.target, led, { ...ground, record: { ...record, egress: { ...record.egress, policy } } });
  return told(second.verdict === 'deny' ? second : first, way);
}

function told(verdict: Verdict, { target, port, rule }: ForeignWay): Verdict {
  const where = port === undefined ? target : `${hostText(target)}:${port}`;
  return { ...verdict, reason: `${verdict.reason}; a rule of another's leads it to ${where}: ${rule}` };
}
