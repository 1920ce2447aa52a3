import type { ServerResponse } from 'node:http';

/** Calls back for each record until the signal comes, or nobody tells of any more. */
export type Follow = (onRecord: (record: unknown) => void, signal: AbortSignal) => Promise<unknown>;

/** Milliseconds: records that come within it are told together, so that a flood is a few lines a second. */
const together = 200;

/** Records in one line; of more, the newest are told, and how many were left out. */
const mostAtOnce = 500;

/** Milliseconds between lines that say nothing, so that a browser that went away is noticed. */
const heartbeat = 15_000;

/**
 * Tells a browser what the agent records, as server-sent events (WHATWG HTML, section 9.2), until it goes: "flows" with
 * `{"records": […], "left": N}`, and "agent" with false where none runs.
 */
export async function streamFlows(response: ServerResponse, follow: Follow): Promise<void> {
  const stop = new AbortController();
  response.once('close', () => stop.abort());
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  response.write(': here\n\n');
  let waiting: unknown[] = [];
  let left = 0;
  const flush = setInterval(() => {
    // Who does not read is not waited for.
    if (waiting.length === 0 || response.writableNeedDrain) return;
    tell(response, 'flows', { records: waiting, left });
    waiting = [];
    left = 0;
  }, together);
  const alive = setInterval(() => void response.write(': here\n\n'), heartbeat);
  try {
    await follow((record) => {
      waiting.push(record);
      if (waiting.length > mostAtOnce) left += waiting.splice(0, waiting.length - mostAtOnce).length;
    }, stop.signal);
    if (!stop.signal.aborted) tell(response, 'agent', false);
  } finally {
    clearInterval(flush);
    clearInterval(alive);
    response.end();
  }
}

function tell(response: ServerResponse, event: string, value: unknown): void {
  response.write(`event: ${event}\ndata: ${JSON.stringify(value)}\n\n`);
}
