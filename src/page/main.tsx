import { render } from 'preact';
import { useAddress } from './address.ts';
import { keptAt } from './api.ts';
import { ContainerView } from './container.tsx';
import { FindingsView } from './findings.tsx';
import { FlowsView } from './flows.tsx';
import type { Attachment, Picture } from './model.ts';
import { OverviewView } from './overview.tsx';
import { PoliciesView } from './policies.tsx';
import './style.css';
import { useAnswer } from './use-answer.ts';
import { useFlows, type LiveFlows } from './use-flows.ts';

/** Milliseconds after which containers are looked at again. */
const often = 4000;

const views = [
  ['overview', 'Overview'],
  ['flows', 'Flows'],
  ['policies', 'Policies'],
  ['findings', 'Findings'],
] as const;

function stateOf({ isLive }: LiveFlows): string {
  if (keptAt !== undefined) return `as of ${keptAt}`;
  return isLive ? 'live' : 'no agent: nothing new is recorded';
}

function Page() {
  const { view, filters } = useAddress();
  const flows = useFlows();
  const list = useAnswer<Attachment[]>('list', {}, often);
  const picture = useAnswer<Picture>('graph', {}, often);
  const attachments = list.value ?? [];
  return (
    <>
      <header>
        <h1>
          <a href="#/">drawbridge</a> <small>{picture.value?.host.name}</small>
        </h1>
        <nav aria-label="Views">
          {views.map(([name, title]) => (
            <a key={name} href={`#/${name}`} aria-current={view === name ? 'page' : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <p class={flows.isLive ? 'live' : 'away'} role="status">
          {stateOf(flows)}
          {flows.left > 0 ? `, ${flows.left} records came too fast to be shown` : ''}
        </p>
      </header>
      <main>
        {list.error === undefined ? null : <p class="error">{list.error}</p>}
        {view === 'overview' ? <OverviewView picture={picture.value} flows={flows} /> : null}
        {view === 'flows' ? <FlowsView flows={flows} filters={filters} /> : null}
        {view === 'container' ? (
          <ContainerView attachments={attachments} flows={flows} asked={filters.get('name') ?? ''} filters={filters} />
        ) : null}
        {view === 'policies' ? <PoliciesView asked={filters.get('name') ?? undefined} /> : null}
        {view === 'findings' ? <FindingsView /> : null}
      </main>
    </>
  );
}

const root = document.getElementById('page');
if (root !== null) render(<Page />, root);
