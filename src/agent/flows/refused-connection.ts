import type { NameRefusal } from '../first-bytes/messages.ts';
import type { Denial } from './denied-packet.ts';
import { recordOf, type DecisionContext } from './decision.ts';

/** Connections that were refused for what their first bytes asked for; undefined where nobody wants to know. */
export function readRefusedConnection(
  { source, destination, port, protocol, name, why, count }: NameRefusal,
  context: DecisionContext,
): Denial | undefined {
  const record = context.parties.at(source);
  if (record?.egress === undefined || record.egress.policy.record === 'none') return undefined;
  return {
    key: `asked ${record.key} ${destination} ${protocol} ${port} ${name ?? why}`,
    container: record.containerId,
    count,
    make: (now) =>
      recordOf(
        record,
        {
          verdict: 'deny',
          direction: 'egress',
          source,
          destination,
          port,
          protocol,
          name,
          rule: namesRule,
          reason: why,
          count,
        },
        context,
        now,
      ),
  };
}

/** The key that decided. */
const namesRule = 'verifyNames';
