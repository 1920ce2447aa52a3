import { answerCommand } from './answers.ts';
import { pageHtml } from './html.ts';

/** What the page shows of a host without asking again; `explain` needs the host itself. */
const views = ['/api/list', '/api/graph', '/api/policies', '/api/doctor', '/api/flows?last=500'];

/** The page with what the commands say now, as one file that asks nobody: for a ticket. */
export async function keptPage(): Promise<string> {
  const answers = Object.fromEntries(await Promise.all(views.map(answerAt)));
  const policies = Array.isArray(answers['/api/policies']) ? (answers['/api/policies'] as { name: string }[]) : [];
  const shown = policies.map(({ name }) => `/api/policy?${new URLSearchParams({ name }).toString()}`);
  const all = { ...answers, ...Object.fromEntries(await Promise.all(shown.map(answerAt))) };
  return pageHtml({ at: new Date().toISOString(), answers: all }).html;
}

async function answerAt(address: string): Promise<readonly [string, unknown]> {
  const { pathname, searchParams } = new URL(address, 'http://localhost');
  return [address, JSON.parse((await answerCommand(pathname, searchParams)).json)];
}
