import { createHash } from 'node:crypto';
import { pageParts } from './page.ts';

export interface PageHtml {
  readonly html: string;
  /** Content-Security-Policy: the one script and the one style sheet, by their hashes, and nothing from elsewhere. */
  readonly contentSecurityPolicy: string;
}

/**
 * The page as one text. With `kept` it asks nobody: it shows those answers of the commands, by the paths that it would
 * ask for, and says when they were given.
 */
export function pageHtml(kept?: {
  readonly at: string;
  readonly answers: Readonly<Record<string, unknown>>;
}): PageHtml {
  const { script, style } = pageParts();
  const contentSecurityPolicy = `default-src 'none'; script-src ${hashOf(script)}; style-src ${hashOf(style)}; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'`;
  const meta =
    kept === undefined ? '' : `<meta http-equiv="Content-Security-Policy" content="${contentSecurityPolicy}">`;
  const data = kept === undefined ? '' : `<script type="application/json" id="kept">${inert(kept)}</script>`;
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8">${meta}<meta name="viewport" content="width=device-width, initial-scale=1">
<title>drawbridge</title><link rel="icon" href="data:,"><style>${style}</style></head>
<body><div id="page"></div>${data}<script type="module">${script}</script></body></html>`;
  return { html, contentSecurityPolicy };
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

/** JSON in which no text ends the element that it stands in, whatever a container is called. */
function inert(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', String.raw`\u003c`);
}
