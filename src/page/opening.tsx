import { useState } from 'preact/hooks';
import { act } from './api.ts';
import { Command, quoted } from './copy.tsx';
import type { Explanation } from './model.ts';
import { useAnswer } from './use-answer.ts';

interface OpeningProps {
  /** Name or id of the container. */
  readonly name: string;
  readonly said: Explanation;
  /** Something was opened: what is known of it is no more. */
  readonly onDone: () => void;
}

/** As "policy add --json" tells it. */
interface Change {
  readonly policy: string;
  readonly containers: readonly string[];
  readonly differences: readonly {
    readonly key: string;
    readonly removed: readonly string[];
    readonly added: readonly string[];
  }[];
}

/** Opens what is denied: for an hour, or in the policy, once the difference was seen. Where that may not be, says how. */
export function Opening({ name, said: { destination, opening, policy, verdict }, onDone }: OpeningProps) {
  const rights = useAnswer<{ readonly mayWrite: boolean }>('rights', {});
  const [change, setChange] = useState<Change>();
  const [problem, setProblem] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  if (verdict !== 'deny' || policy.mode === null) return null;
  const target = { policy: policy.name ?? '', entry: opening?.entry ?? '', key: opening?.key ?? '' };
  const work = (step: () => Promise<void>): void => {
    setBusy(true);
    setProblem(undefined);
    step()
      .catch((error: unknown) => setProblem(error instanceof Error ? error.message : String(error)))
      .finally(() => setBusy(false));
  };
  if (rights.value?.mayWrite !== true)
    return (
      <>
        <p>To open it for this container, for an hour:</p>
        <Command text={`drawbridge allow ${quoted(name)} ${quoted(destination)} --for 1h`} />
        {policy.name === null || opening === null ? null : (
          <>
            <p>To open it for every container under the policy:</p>
            <Command
              text={`drawbridge policy add ${quoted(policy.name)} ${quoted(opening.entry)}${opening.key === 'allow' ? '' : ` --key ${opening.key}`}`}
            />
          </>
        )}
      </>
    );
  return (
    <div class="opening">
      <button
        type="button"
        disabled={isBusy}
        onClick={() =>
          work(async () => {
            await act('allow', { container: name, destination });
            onDone();
          })
        }
      >
        Open it for an hour
      </button>
      {policy.name === null || opening === null ? null : (
        <button
          type="button"
          disabled={isBusy}
          onClick={() => work(async () => setChange(await act<Change>('policy-add', { ...target, dry: 'true' })))}
        >
          Put it into policy {policy.name}…
        </button>
      )}
      {problem === undefined ? null : (
        <p class="error" role="alert">
          {problem}
        </p>
      )}
      {change === undefined ? null : (
        <div class="change" role="region" aria-label="What would change">
          {change.differences.map(({ key, removed, added }) => (
            <pre key={key}>
              {`${key}\n`}
              {removed.map((entry) => (
                <del key={entry}>{`- ${entry}\n`}</del>
              ))}
              {added.map((entry) => (
                <ins key={entry}>{`+ ${entry}\n`}</ins>
              ))}
            </pre>
          ))}
          <p>It holds for {change.containers.join(', ')}.</p>
          <button
            type="button"
            disabled={isBusy}
            onClick={() =>
              work(async () => {
                await act('policy-add', target);
                onDone();
              })
            }
          >
            Write it into the policy
          </button>
        </div>
      )}
    </div>
  );
}
