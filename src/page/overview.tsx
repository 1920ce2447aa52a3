import { Chart } from './chart.tsx';
import { FlowTable } from './flow-table.tsx';
import type { Picture } from './model.ts';
import { PictureView } from './picture.tsx';
import type { LiveFlows } from './use-flows.ts';

/** The host as a picture, what happened in the last minutes, and the latest denials. */
export function OverviewView({ picture, flows }: { readonly picture: Picture | undefined; readonly flows: LiveFlows }) {
  const denied = flows.records.filter(({ verdict }) => verdict === 'deny').slice(0, 20);
  return (
    <>
      <section aria-labelledby="picture">
        <h2 id="picture">Who reaches what</h2>
        {picture === undefined ? (
          <p class="faint">Looking at the host…</p>
        ) : (
          <PictureView picture={picture} latest={flows.latest} />
        )}
      </section>
      <section aria-labelledby="minutes">
        <h2 id="minutes">The last ten minutes</h2>
        <Chart records={flows.records} />
      </section>
      <section aria-labelledby="denials">
        <h2 id="denials">Latest denials</h2>
        <FlowTable records={denied} caption="The latest twenty denials" />
      </section>
    </>
  );
}
