import { closeSync, openSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { longestPolicy } from '../egress/load-policy.ts';
import { formatOfFile } from '../egress/policy-source.ts';
import { readBounded } from '../egress/load-file.ts';
import type { Invocation } from './command.ts';
import { findProblems, type Problem } from './policy/problems.ts';
import { count } from '../repair/survey/words.ts';
import { printJson, type Terminal } from './terminal.ts';
import { wrap } from './wrap.ts';
import { systemReason } from '../text/system-error.ts';

/** What is wrong with policy files, with line and column. Exit status 1 when something is. */
export async function run({ operands, options }: Invocation, terminal: Terminal): Promise<number> {
  const files = await Promise.all(
    operands.map(async (file) => {
      const text = readPolicy(file);
      return { file, text, problems: await findProblems(text, formatOfFile(file)) };
    }),
  );
  if (options['json'] === true)
    printJson(
      terminal,
      files.flatMap(({ file, problems }) =>
        problems.map((problem) => ({ file, ...problem, hint: problem.hint ?? null })),
      ),
    );
  else for (const { file, text, problems } of files) print(file, text, problems, terminal);
  return files.some(({ problems }) => problems.some(({ severity }) => severity === 'error')) ? 1 : 0;
}

/** "-" is stdin. Throws code 5. */
export function readPolicy(file: string): string {
  try {
    if (file === '-') return readBounded(0, longestPolicy);
    // What a shell made of "<(…)" is a pipe: waited for, and bounded.
    return openFile(file, (descriptor) => readBounded(descriptor, longestPolicy));
  } catch (error) {
    throw new CniError(
      codes.ioFailure,
      `Cannot read "${file}": ${systemReason(error)}`,
      'Name a file with one policy, or a network configuration; "-" is stdin',
      { cause: error },
    );
  }
}

function openFile(path: string, read: (descriptor: number) => string): string {
  const descriptor = openSync(path, 'r');
  try {
    return read(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function print(file: string, text: string, problems: readonly Problem[], { out, paint, width }: Terminal): void {
  const lines = text.split('\n');
  for (const { severity, line, column, message, hint } of problems) {
    const mark = severity === 'error' ? paint.bad('error') : paint.warn('notice');
    out(wrap(`${paint.strong(`${file}:${line}:${column}`)}: ${mark}: ${message}`, width, '  '));
    const shown = (lines[line - 1] ?? '').slice(0, width - 8);
    out(`  ${paint.faint(`${String(line).padStart(4)} |`)} ${shown}`);
    if (column <= shown.length)
      out(
        `  ${' '.repeat(4)} ${paint.faint('|')} ${' '.repeat(column - 1)}${severity === 'error' ? paint.bad('^') : paint.warn('^')}`,
      );
    if (hint !== undefined) out(`  ${wrap(hint, width - 2, '  ')}`);
    out('');
  }
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  out(
    errors === 0
      ? `${file}: ${paint.good('valid')}${problems.length === 0 ? '' : `, with ${count(problems.length, 'notice')}`}`
      : `${file}: ${paint.bad(count(errors, 'error'))}`,
  );
}
