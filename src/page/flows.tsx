import type { FlowRecord } from '../flows/flow-record.ts';
import { go } from './address.ts';
import { FlowTable } from './flow-table.tsx';
import { destinationOf } from './model.ts';
import { useAnswer } from './use-answer.ts';
import type { LiveFlows } from './use-flows.ts';

/** Records with filters that stand in the address, so that what one sees can be sent to somebody. */
export function FlowsView({ flows, filters }: { readonly flows: LiveFlows; readonly filters: URLSearchParams }) {
  const chosen = {
    container: filters.get('container') ?? '',
    to: filters.get('to') ?? '',
    verdict: filters.get('verdict') ?? '',
    since: filters.get('since') ?? '',
  };
  const stored = useAnswer<FlowRecord[]>('flows', chosen.since === '' ? undefined : { since: chosen.since });
  const change = (name: keyof typeof chosen, value: string): void => go('flows', { ...chosen, [name]: value });
  const known = new Set(flows.records.map(({ id }) => id));
  const older = (stored.value ?? []).filter(({ id }) => !known.has(id)).toReversed();
  const records = [...flows.records, ...older].filter((record) => isMeant(record, chosen));
  return (
    <section aria-labelledby="flows">
      <h2 id="flows">Flows</h2>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <Field label="Container" value={chosen.container} onInput={(value) => change('container', value)} />
        <Field label="Destination" value={chosen.to} onInput={(value) => change('to', value)} />
        <label>
          Verdict
          <select value={chosen.verdict} onChange={(event) => change('verdict', event.currentTarget.value)}>
            <option value="">all</option>
            <option value="deny">denied</option>
            <option value="allow">allowed</option>
            <option value="audit">audited</option>
          </select>
        </label>
        <label>
          Since
          <select value={chosen.since} onChange={(event) => change('since', event.currentTarget.value)}>
            <option value="">the latest</option>
            <option value="1h">an hour ago</option>
            <option value="1d">a day ago</option>
            <option value="7d">a week ago</option>
          </select>
        </label>
      </form>
      {stored.error === undefined ? null : <p class="error">{stored.error}</p>}
      <FlowTable records={records} caption={`${records.length} records`} />
    </section>
  );
}

interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
}

function Field({ label, value, onInput }: FieldProps) {
  return (
    <label>
      {label}
      <input type="search" value={value} onInput={(event) => onInput(event.currentTarget.value)} />
    </label>
  );
}

function isMeant(
  record: FlowRecord,
  { container, to, verdict }: Readonly<Record<'container' | 'to' | 'verdict', string>>,
): boolean {
  const who = `${record.containerName ?? ''} ${record.container}`.toLowerCase();
  const where = `${destinationOf(record)} ${record.destination}`.toLowerCase();
  return (
    who.includes(container.toLowerCase()) &&
    where.includes(to.toLowerCase()) &&
    (verdict === '' || record.verdict === verdict)
  );
}
