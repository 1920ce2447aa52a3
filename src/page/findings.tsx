import { Command } from './copy.tsx';
import type { Diagnosis } from './model.ts';
import { useAnswer } from './use-answer.ts';

/** What doctor finds, with the commands that mend it. */
export function FindingsView() {
  const { value, error } = useAnswer<Diagnosis[]>('doctor', {}, 15_000);
  return (
    <section aria-labelledby="findings">
      <h2 id="findings">Findings</h2>
      {error === undefined ? null : <p class="error">{error}</p>}
      {value === undefined && error === undefined ? <p class="faint">Looking at the host…</p> : null}
      {value?.length === 0 ? <p>Everything that was looked at is well.</p> : null}
      <ul class="findings">
        {(value ?? []).map(({ severity, found, why, remedy, isCommand }) => (
          <li key={`${found} ${remedy}`} class={severity}>
            <p>
              <strong>{severity}</strong>: {found}
            </p>
            <p class="faint">{why}</p>
            {isCommand ? <Command text={remedy} /> : <p>{remedy}</p>}
          </li>
        ))}
      </ul>
    </section>
  );
}
