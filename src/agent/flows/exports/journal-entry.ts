import type { FlowRecord } from '../../../flows/flow-record.ts';
import { visible } from '../../../text/visible.ts';

/**
 * A record as an entry of the journal: MESSAGE is its JSON line, and each part is a field that "journalctl" finds it by
 * (DRAWBRIDGE_CONTAINER=web). The form is systemd's native protocol: "NAME=value" on a line each; control characters
 * stand as JSON has them, so that no value has a line of its own.
 */
export function journalEntry(record: FlowRecord): Uint8Array {
  const fields: readonly (readonly [string, string | number | undefined])[] = [
    ['MESSAGE', JSON.stringify(record)],
    ['PRIORITY', priorities[record.verdict]],
    ['SYSLOG_IDENTIFIER', 'drawbridge'],
    ['DRAWBRIDGE_ID', record.id],
    ['DRAWBRIDGE_TIME', record.time],
    ['DRAWBRIDGE_UNTIL', record.until],
    ['DRAWBRIDGE_VERDICT', record.verdict],
    ['DRAWBRIDGE_DIRECTION', record.direction],
    ['DRAWBRIDGE_CONTAINER', record.containerName ?? record.container],
    ['DRAWBRIDGE_CONTAINER_ID', record.container],
    ['DRAWBRIDGE_NAMESPACE', record.namespace],
    ['DRAWBRIDGE_POD', record.pod],
    ['DRAWBRIDGE_NETWORK', record.network],
    ['DRAWBRIDGE_IFNAME', record.ifname],
    ['DRAWBRIDGE_SOURCE', record.source],
    ['DRAWBRIDGE_DEST', record.destination],
    ['DRAWBRIDGE_PORT', record.port],
    ['DRAWBRIDGE_PROTOCOL', record.protocol],
    ['DRAWBRIDGE_NAME', record.name],
    ['DRAWBRIDGE_PEER', record.peer],
    ['DRAWBRIDGE_POLICY', record.policy ?? undefined],
    ['DRAWBRIDGE_RULE', record.rule],
    ['DRAWBRIDGE_REASON', record.reason],
    ['DRAWBRIDGE_PLACE', record.place],
    ['DRAWBRIDGE_COUNT', record.count],
    ['DRAWBRIDGE_BYTES_SENT', record.bytes?.sent],
    ['DRAWBRIDGE_BYTES_RECEIVED', record.bytes?.received],
    ...Object.entries(record.labels ?? {}).map(([name, value]) => [labelField(name), value] as const),
  ];
  const lines = fields.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${visible(String(value))}\n`]));
  return new TextEncoder().encode(lines.join(''));
}

/** Of syslog: a warning, a notice, information. */
const priorities = { deny: 4, audit: 5, allow: 6 } as const;

/** Names of fields are capital letters, digits and "_", 64 at most (systemd.journal-fields). */
function labelField(name: string): string {
  return `DRAWBRIDGE_LABEL_${name.toUpperCase().replaceAll(/[^A-Z0-9_]/g, '_')}`.slice(0, 64);
}
