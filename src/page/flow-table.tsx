import type { FlowRecord } from '../flows/flow-record.ts';
import { addressOf } from './address.ts';
import { destinationOf } from './model.ts';

/** Rows that are drawn: more is a wall that nobody reads, and slow. */
const most = 200;

const verdicts = { allow: 'allowed', deny: 'denied', audit: 'audited' } as const;

/** Records in rows, newest first. */
export function FlowTable({ records, caption }: { readonly records: readonly FlowRecord[]; readonly caption: string }) {
  if (records.length === 0) return <p class="faint">Nothing of the kind is recorded.</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table class="flow-table">
        <caption>{caption}</caption>
        <thead>
          <tr>
            {['Time', 'Verdict', 'Container', 'Destination', 'Count', 'Bytes', 'Because'].map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {records.slice(0, most).map((record) => (
            <Row key={record.id} record={record} />
          ))}
        </tbody>
      </table>
      {records.length > most ? (
        <p class="faint">{records.length - most} older ones are not shown: filter them.</p>
      ) : null}
    </div>
  );
}

function Row({ record }: { readonly record: FlowRecord }) {
  const { time, verdict, container, containerName, count, bytes, reason, rule } = record;
  const title = containerName ?? container.slice(0, 12);
  return (
    <tr class={verdict}>
      <td>
        <time dateTime={time}>{new Date(time).toLocaleTimeString()}</time>
      </td>
      <td class="verdict">{verdicts[verdict]}</td>
      <td>
        <a href={addressOf('container', { name: containerName ?? container })}>{title}</a>
      </td>
      <td class="wide">{destinationOf(record)}</td>
      <td class="number" data-unit={count === 1 ? ' time' : ' times'}>
        {count}
      </td>
      <td class="number">{bytes === undefined ? '' : sizeOf(bytes.sent + bytes.received)}</td>
      <td class="wide because" title={rule}>
        {reason}
      </td>
    </tr>
  );
}

/** Bytes in the unit that leaves at most four digits. */
function sizeOf(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 10_000 && unit < units.length - 1; unit++) value /= 1000;
  return `${Math.round(value)} ${units[unit]}`;
}
