import type { FlowRecord } from '../../flows/flow-record.ts';
import { hostText } from '../../ip/host-text.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import { visible } from '../../text/visible.ts';
import type { Terminal } from '../terminal.ts';

/**
 * A record in one line: when, who, what it asked for, how often, and what decided; `isWide` tells network, interface
 * and the place of the rule too.
 */
export function flowLine(record: FlowRecord, { paint }: Pick<Terminal, 'paint'>, isWide = false): string {
  const { time, count, direction, bytes } = record;
  const who = paint.strong(ownerWords(record));
  const other = destinationWords(record, paint);
  const parties = direction === 'ingress' ? `${who} ${paint.faint('asked by')} ${other}` : `${who}  ${other}`;
  const times = count === 1 ? '' : ` x${count}`;
  const traffic =
    bytes === undefined
      ? ''
      : ` ${paint.faint(`${byteWords(bytes.sent)} sent, ${byteWords(bytes.received)} received`)}`;
  return `${paint.faint(localTime(time))}  ${parties}${times}  ${verdictWords(record, paint)} by ${visible(record.rule)}${traffic}${isWide ? ` ${paint.faint(placeWords(record))}` : ''}`;
}

function placeWords({ network, ifname, policy, place }: FlowRecord): string {
  const where = place === undefined ? '' : `, ${place}`;
  return `[${visible(network)}/${visible(ifname)}${policy === null ? '' : `, policy ${policy}`}${visible(where)}]`;
}

/** The container's name; its short id where it has none. */
export function ownerWords({ container, containerName }: FlowRecord): string {
  return visible(containerName ?? shownName(container));
}

/** "1.2 MB": three digits at most, in powers of 1000 as quotas have them. */
export function byteWords(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2)} ${units[unit]}`;
}

function destinationWords(record: FlowRecord, paint: Terminal['paint']): string {
  const { destination, direction, name, peer, port, protocol, source } = record;
  if (protocol === 'dns') return `${visible(destination)} ${paint.faint('(DNS)')}`;
  const known = peer !== undefined ? shownName(peer) : direction === 'ingress' ? undefined : name;
  const named = known === undefined ? '' : ` ${paint.link(`(${visible(known)})`)}`;
  const ported = `${port === undefined ? '' : `:${port}`}/${protocol}`;
  if (direction === 'ingress') return `${hostText(source)}${named} ${paint.faint('for')} ${ported}`;
  return `${hostText(destination)}${ported}${named}`;
}

function verdictWords({ verdict, ended }: FlowRecord, paint: Terminal['paint']): string {
  if (verdict === 'deny') return paint.bad('denied');
  if (verdict === 'audit') return paint.warn('would be denied');
  return paint.good(ended === true ? 'over, allowed' : 'allowed');
}

/** As clocks of this host show it; the day too when it is another one. */
export function localTime(iso: string): string {
  const date = new Date(iso);
  const two = (number: number): string => String(number).padStart(2, '0');
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  if (date.toDateString() === new Date().toDateString()) return clock;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock}`;
}
