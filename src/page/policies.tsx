import { addressOf } from './address.ts';
import { Command } from './copy.tsx';
import type { PolicyRow } from './model.ts';
import { useAnswer } from './use-answer.ts';

/** Named policies, and what one of them says with its defaults filled in. */
export function PoliciesView({ asked }: { readonly asked: string | undefined }) {
  const list = useAnswer<PolicyRow[]>('policies', {}, 5000);
  const one = useAnswer<object>('policy', asked === undefined ? undefined : { name: asked });
  const rows = list.value ?? [];
  return (
    <section aria-labelledby="policies">
      <h2 id="policies">Policies</h2>
      {list.error === undefined ? null : <p class="error">{list.error}</p>}
      {list.value !== undefined && rows.length === 0 ? (
        <p class="faint">
          There are none in /etc/drawbridge/policies: policies stand in the networks' own configuration.
        </p>
      ) : null}
      {rows.length === 0 ? null : (
        <table>
          <caption>Files in /etc/drawbridge/policies</caption>
          <thead>
            <tr>
              {['Name', 'Mode', 'Containers', 'Wait for it', 'Problem'].map((title) => (
                <th key={title} scope="col">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ name, mode, containers, pending, problem }) => (
              <tr key={name}>
                <td>
                  <a href={addressOf('policies', { name })}>{name}</a>
                </td>
                <td>{mode ?? ''}</td>
                <td class="number">{containers}</td>
                <td class="number">{pending}</td>
                <td class={problem === null ? '' : 'error'}>{problem ?? ''}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {asked === undefined ? null : (
        <>
          <h3>{asked}</h3>
          {one.error === undefined ? null : <p class="error">{one.error}</p>}
          {one.value === undefined ? null : <pre>{JSON.stringify(one.value, null, 2)}</pre>}
          <Command text={`drawbridge policy show ${asked}`} />
        </>
      )}
    </section>
  );
}
