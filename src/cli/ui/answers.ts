import { CommandError, run } from '../../host/run.ts';

interface CommandAnswer {
  readonly status: number;
  readonly json: string;
}

/** What the page may ask: commands that only read, with the parameters that become their words. */
const answers: Readonly<Record<string, (asked: URLSearchParams) => readonly string[]>> = {
  '/api/list': () => ['list'],
  '/api/graph': () => ['graph'],
  '/api/status': () => ['status'],
  '/api/doctor': () => ['doctor'],
  '/api/policies': () => ['policy', 'list'],
  '/api/policy': (asked) => ['policy', 'show', word(asked, 'name')],
  '/api/explain': (asked) => ['explain', word(asked, 'container'), word(asked, 'destination')],
  '/api/flows': (asked) => [
    'flows',
    ...optional(asked, 'container', (value) => [value]),
    ...optional(asked, 'since', (value) => ['--since', value]),
    ...optional(asked, 'last', (value) => ['--last', value]),
    ...optional(asked, 'to', (value) => ['--to', value]),
    ...(asked.get('denied') === 'true' ? ['--denied'] : []),
  ],
};

/** What the page may have done where it may write: commands of one container or one policy each. */
const actions: Readonly<Record<string, (asked: URLSearchParams) => readonly string[]>> = {
  '/api/allow': (asked) => ['allow', word(asked, 'container'), word(asked, 'destination'), '--for', '1h'],
  '/api/policy-add': (asked) => [
    'policy',
    'add',
    word(asked, 'policy'),
    word(asked, 'entry'),
    '--key',
    word(asked, 'key'),
    ...(asked.get('dry') === 'true' ? ['--dry-run'] : []),
  ],
};

/** Whether a path is of something that is done, and not of something that is asked. */
export function isAction(path: string): boolean {
  return Object.hasOwn(actions, path);
}

/**
 * Answers a request of the page by the command of that name with --json, in a process of its own: what the page shows,
 * a person can ask for at a prompt. Exit statuses that are an answer (1 for "no") are one here too.
 */
export async function answerCommand(path: string, asked: URLSearchParams): Promise<CommandAnswer> {
  const words = (Object.hasOwn(answers, path) ? answers : isAction(path) ? actions : {})[path]?.(asked);
  if (words === undefined) return failure(404, 'There is nothing at this address');
  if (words.some((text) => text === '')) return failure(400, 'A parameter is missing');
  try {
    const { stdout } = await run(process.execPath, [...words, '--json'], { env: plain });
    return { status: 200, json: asJson(path, stdout) };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    if (error.stdout.trim() !== '') return { status: 200, json: asJson(path, error.stdout) };
    return failure(422, error.stderr.trim());
  }
}

/** Texts without colours; nothing that makes the child a plugin. */
const plain = { NO_COLOR: '1', CNI_COMMAND: '' };

/** A word that could be an option is none: no container, name or destination begins with a hyphen. */
function word(asked: URLSearchParams, name: string): string {
  const value = asked.get(name) ?? '';
  return value.startsWith('-') ? '' : value;
}

function optional(
  asked: URLSearchParams,
  name: string,
  words: (value: string) => readonly string[],
): readonly string[] {
  return asked.has(name) ? words(word(asked, name)) : [];
}

/** "flows" prints an object on each line; the page reads one list. */
function asJson(path: string, printed: string): string {
  if (path !== '/api/flows') return printed;
  return `[${printed
    .split('\n')
    .filter((line) => line !== '')
    .join(',')}]`;
}

function failure(status: number, error: string): CommandAnswer {
  return { status, json: JSON.stringify({ error }) };
}
