import type { ServePage } from '../../agent/services/page.ts';
import { serveUi } from './server.ts';
import type { Follow } from './stream.ts';
import { newToken } from './token.ts';

/** Serves the page from within the agent, with the records that it makes. */
export const servePage: ServePage = async ({ listen, mayWrite }, followRecords) => {
  const follow: Follow = async (onRecord, signal) => {
    const records = followRecords();
    signal.addEventListener('abort', () => void records.return?.(), { once: true });
    for await (const record of records) onRecord(record);
  };
  return serveUi({ listen, token: newToken(), mayWrite, follow });
};
