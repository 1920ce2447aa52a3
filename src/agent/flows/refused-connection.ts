import type { NameRefusal } from '../first-bytes/messages.ts';
import type { Denial, DenialContext } from './denied-packet.ts';

/** Connections that were refused for what their first bytes asked for; undefined where nobody wants to know. */
export function readRefusedConnection(
  { source, destination, port, protocol, name, why, count }: NameRefusal,
  { parties, nextId, placeOf }: DenialContext,
): Denial | undefined {
  const record = parties.at(source);
  if (record?.egress === undefined || record.egress.policy.record === 'none') return undefined;
  const { policyName } = record.egress;
  return {
    key: `asked ${record.key} ${destination} ${protocol} ${port} ${name ?? why}`,
    container: record.containerId,
    count,
    make: (now) => {
      const place = placeOf(record, namesRule);
      return {
        id: nextId(),
        time: new Date(now).toISOString(),
        verdict: 'deny',
        direction: 'egress',
        ...parties.owner(record),
        source,
        destination,
        port,
        protocol,
        ...(name === undefined ? {} : { name }),
        policy: policyName ?? null,
        rule: namesRule,
        reason: why,
        ...(place === undefined ? {} : { place }),
        count,
      };
    },
  };
}

/** The key that decided. */
const namesRule = 'verifyNames';
