import { useState } from 'preact/hooks';
import { addressOf, go } from './address.ts';
import { keptAt } from './api.ts';
import { Advice, Command, quoted } from './copy.tsx';
import { FlowTable } from './flow-table.tsx';
import { titleOf, type Attachment, type Explanation } from './model.ts';
import { Opening } from './opening.tsx';
import { useAnswer } from './use-answer.ts';
import type { LiveFlows } from './use-flows.ts';

interface ContainerProps {
  readonly attachments: readonly Attachment[];
  readonly flows: LiveFlows;
  /** Name or id, as the address has it. */
  readonly asked: string;
  readonly filters: URLSearchParams;
}

/** A container's own page: what it may, what it did, what was refused, why, and what would open it. */
export function ContainerView({ attachments, flows, asked, filters }: ContainerProps) {
  const own = attachments.filter((one) => titleOf(one) === asked || one.containerId === asked);
  const [first] = own;
  if (first === undefined) return <p class="faint">There is no container "{asked}" now.</p>;
  const records = flows.records.filter(({ container }) => container === first.containerId);
  const denied = records.filter(({ verdict }) => verdict === 'deny');
  return (
    <section aria-labelledby="container">
      <h2 id="container">{titleOf(first)}</h2>
      {own.map((one) => (
        <Connection key={`${one.network} ${one.ifname}`} attachment={one} />
      ))}
      <Explain key={filters.get('to') ?? ''} name={asked} destination={filters.get('to') ?? ''} />
      <h3>Refused</h3>
      {denied.length === 0 ? <p class="faint">Nothing was refused lately.</p> : null}
      <ul class="refusals">
        {[...new Map(denied.map((record) => [`${record.destination} ${record.port ?? ''}`, record])).values()]
          .slice(0, 20)
          .map((record) => {
            const target = `${record.name ?? record.destination}${record.port === undefined ? '' : `:${record.port}/${record.protocol}`}`;
            return (
              <li key={record.id}>
                <span class="verdict deny">{target}</span>{' '}
                <a href={addressOf('container', { name: asked, to: target })}>Why, and what would open it</a>
                <p class="faint">{record.reason}</p>
              </li>
            );
          })}
      </ul>
      <h3>What it did</h3>
      <FlowTable records={records} caption={`Records of ${titleOf(first)}`} />
    </section>
  );
}

function Connection({ attachment }: { readonly attachment: Attachment }) {
  const { network, ifname, ips, ports, policy, policyName, denied, stale } = attachment;
  return (
    <dl>
      <dt>Network</dt>
      <dd>
        {network} ({ifname}) {ips.join(', ')}
      </dd>
      <dt>May reach</dt>
      <dd class={policy === null ? 'unprotected' : ''}>
        {policy ?? 'everything: it has no policy'}{' '}
        {policyName === null ? null : <a href={addressOf('policies', { name: policyName })}>policy {policyName}</a>}
      </dd>
      <dt>Published</dt>
      <dd>
        {ports.length === 0
          ? 'nothing'
          : ports
              .map((port) => `${port.hostIp ?? '*'}:${port.hostPort} to ${port.containerPort}/${port.protocol}`)
              .join(', ')}
      </dd>
      <dt>Refused packets</dt>
      <dd>{denied}</dd>
      {stale.length === 0 ? null : (
        <>
          <dt>Not as it should be</dt>
          <dd class="error">{stale.join('; ')}</dd>
        </>
      )}
    </dl>
  );
}

/** Asks "explain", and shows its words. */
function Explain({ name, destination }: { readonly name: string; readonly destination: string }) {
  const [text, set] = useState(destination);
  const [turn, setTurn] = useState(0);
  return (
    <>
      <h3>Does it reach…</h3>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          go('container', { name, to: text });
        }}
      >
        <label>
          Destination
          <input
            type="search"
            value={text}
            placeholder="api.example.org:443"
            onInput={(event) => set(event.currentTarget.value)}
          />
        </label>
        <button type="submit">Ask</button>
      </form>
      {destination === '' ? null : (
        <Answer key={turn} name={name} destination={destination} onChange={() => setTurn(turn + 1)} />
      )}
      {destination === '' ? null : <Command text={`drawbridge explain ${quoted(name)} ${quoted(destination)}`} />}
    </>
  );
}

interface AnswerProps {
  readonly name: string;
  readonly destination: string;
  readonly onChange: () => void;
}

function Answer({ name, destination, onChange }: AnswerProps) {
  const { error, value } = useAnswer<Explanation>('explain', { container: name, destination });
  return (
    <>
      {error === undefined ? null : <p class="error">{error}</p>}
      {value === undefined ? null : <Verdict said={value} />}
      {value === undefined || keptAt !== undefined ? null : <Opening name={name} said={value} onDone={onChange} />}
    </>
  );
}

function Verdict({ said }: { readonly said: Explanation }) {
  const { verdict, destination, reason, rule, advice, place, problems, addresses } = said;
  const obstacles = addresses.flatMap((one) => one.obstacles ?? []);
  return (
    <div class={`answer ${verdict}`} role="status">
      <p>
        <strong>
          {destination} {verdict === 'allow' ? 'is reached' : 'is not reached'}
        </strong>
        : {reason} ({rule})
      </p>
      {place === null ? null : (
        <p class="faint">
          {place.file}:{place.line}:{place.column}
        </p>
      )}
      {advice === null ? null : <Advice text={advice} />}
      {obstacles.map(({ what, remedy, isAdvice }) => (
        <div key={`${what} ${remedy}`}>
          <p class="error">{what}</p>
          {isAdvice ? <p>{remedy}</p> : <Command text={remedy} />}
        </div>
      ))}
      {problems.map((text) => (
        <p key={text} class="error">
          {text}
        </p>
      ))}
    </div>
  );
}
