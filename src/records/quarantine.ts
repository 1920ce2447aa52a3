/**
 * What is in quarantine: elements that outlive their attachment for some seconds (egress/elements.ts).
 *
 *   /run/drawbridge/quarantine.json    {"<table> <set> { <key> }": <milliseconds since 1970 when the kernel drops it>}
 *
 * A permanent element does not replace a timed one on every kernel, and deleting one costs a transaction some
 * milliseconds (it waits until no packet looks at it). So only an ADD that comes upon one of these clears it.
 */
import { runDir } from '../host/paths.ts';
import { elementId, type Element } from '../nft/element.ts';
import { readText, writeWhole } from './store.ts';

/** Remembers timed elements for as long as the kernel keeps them. Throws code 5. */
export function addQuarantine(elements: readonly Element[], run: string = runDir): void {
  const timed = elements.flatMap((element) =>
    element.timeout === undefined ? [] : [[elementId(element), Date.now() + element.timeout * 1000 + slack] as const],
  );
  if (timed.length > 0) write({ ...read(run), ...Object.fromEntries(timed) }, run);
}

/** Those of the elements that are in quarantine. */
export function quarantined(elements: readonly Element[], run: string = runDir): Element[] {
  if (elements.length === 0) return [];
  const held = read(run);
  return elements.filter((element) => held[elementId(element)] !== undefined);
}

/** Forgets elements that were cleared. Throws code 5. */
export function releaseQuarantine(elements: readonly Element[], run: string = runDir): void {
  if (elements.length === 0) return;
  const ids = new Set(elements.map(elementId));
  write(Object.fromEntries(Object.entries(read(run)).filter(([id]) => !ids.has(id))), run);
}

/** Milliseconds for which an element is held for present after it should be gone. */
const slack = 2000;

function read(run: string): Record<string, number> {
  try {
    const held = JSON.parse(readText(`${run}/quarantine.json`) ?? '{}') as Record<string, number>;
    return Object.fromEntries(Object.entries(held).filter(([, until]) => until > Date.now()));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return {};
    throw error;
  }
}

function write(held: Readonly<Record<string, number>>, run: string): void {
  writeWhole(`${run}/quarantine.json`, JSON.stringify(held), `Cannot write "${run}/quarantine.json"`);
}
