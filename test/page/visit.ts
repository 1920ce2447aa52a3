/**
 * Runs in a private host: opens the page in Chromium, does what stdin says, and prints what was seen, as JSON.
 *
 *   node visit.ts ADDRESS < '[["text", "main"], ["click", "text=Flows"], …]'
 */
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { chromium, type Page } from 'playwright-core';

/** A step and its words; see {@link perform}. */
export type Step = readonly [string, ...string[]];

/** What the steps that tell something told, in their order, and what the page complained of. */
export interface Visit {
  readonly told: readonly unknown[];
  readonly errors: readonly string[];
  /** Addresses that the browser asked for, other than the page's own server. */
  readonly elsewhere: readonly string[];
}

/** Milliseconds: a full host with much to do takes long for its picture, more so on a loaded machine. */
const longest = 45_000;

async function main(): Promise<void> {
  const [address = '', scheme = 'light', width = '1200'] = process.argv.slice(2);
  const steps = JSON.parse(await text(process.stdin)) as Step[];
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
  const errors: string[] = [];
  const elsewhere: string[] = [];
  try {
    const context = await browser.newContext({
      colorScheme: scheme === 'dark' ? 'dark' : 'light',
      viewport: { width: Number(width), height: 900 },
      reducedMotion: 'reduce',
    });
    const page = await context.newPage();
    page.setDefaultTimeout(longest);
    page.on('pageerror', (error) => void errors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
    page.on('request', (request) => {
      const { protocol, host } = new URL(request.url());
      if (protocol !== 'data:' && protocol !== 'file:' && host !== new URL(address).host) elsewhere.push(request.url());
    });
    await page.goto(address);
    const told: unknown[] = [];
    for (const step of steps) {
      const answer = await perform(page, step);
      if (answer !== undefined) told.push(answer);
    }
    console.log(JSON.stringify({ told, errors, elsewhere } satisfies Visit));
  } finally {
    await browser.close();
  }
}

/**
 * "see" waits for a place; "text" tells what is in it; "count" how many there are; "click", "fill", "press"; "address"
 * tells what is behind "#"; "calm" looks at a place in each frame for so many milliseconds; "axe" tells what an
 * accessibility check finds; "spill" what is wider than its place; "picture" takes one.
 */
async function perform(page: Page, [what, place = '', value = '']: Step): Promise<unknown> {
  switch (what) {
    case 'see':
      return page.locator(place).first().waitFor();
    case 'text':
      return page.locator(place).first().innerText();
    case 'count':
      return page.locator(place).count();
    case 'click':
      return page.locator(place).first().click();
    case 'fill':
      return page.locator(place).first().fill(value);
    case 'choose':
      await page.locator(place).first().selectOption(value);
      return undefined;
    case 'press':
      return page.keyboard.press(place);
    case 'focus':
      return page.evaluate(`document.activeElement?.textContent ?? ''`);
    case 'address':
      return page.evaluate('location.hash');
    case 'calm':
      return page.evaluate(watchFrames, { place, milliseconds: Number(value) });
    case 'picture':
      await page.screenshot({ path: place, fullPage: true });
      return undefined;
    case 'spill':
      return page.evaluate(findSpills);
    case 'axe':
      await page.evaluate(readFileSync(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8'));
      return page.evaluate(async () => {
        const { violations } = await (globalThis as never as { axe: Axe }).axe.run();
        return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
      });
    default:
      throw new Error(`There is no step "${what}"`);
  }
}

/** Runs in the page: texts of the picture that leave their box, and whether the whole page scrolls to the side. */
function findSpills(): string[] {
  const { document: page } = globalThis as never as { document: MeasuredDocument };
  const texts = [...page.querySelectorAll('.picture g')].flatMap((group) => {
    const box = group.querySelector('rect')?.getBoundingClientRect();
    return [...group.querySelectorAll('text')]
      .filter((text) => {
        const { left, right } = text.getBoundingClientRect();
        return box !== undefined && (left < box.left || right > box.right);
      })
      .map(({ textContent }) => `text "${textContent}" leaves its box`);
  });
  const { scrollWidth, clientWidth } = page.documentElement;
  return scrollWidth > clientWidth ? [...texts, `the page is ${scrollWidth} wide, of ${clientWidth}`] : texts;
}

interface MeasuredElement {
  readonly textContent: string;
  getBoundingClientRect(): { readonly left: number; readonly right: number };
  querySelector(selector: string): MeasuredElement | null;
  querySelectorAll(selector: string): Iterable<MeasuredElement>;
}

interface MeasuredDocument extends MeasuredElement {
  readonly documentElement: { readonly scrollWidth: number; readonly clientWidth: number };
}

/** What a place looked like in each frame: how it flickers, and how long the page was busy with something else. */
export interface Calm {
  readonly frames: number;
  /** Frames in which nothing was at the place. */
  readonly blank: number;
  /** Different texts that stood there first. */
  readonly changes: number;
  /** Milliseconds: the longest time without a frame, and tasks of over 50. */
  readonly longestGap: number;
  readonly longTasks: readonly number[];
}

interface BrowserPart {
  readonly document: { querySelector(text: string): { readonly textContent: string } | null };
  readonly requestAnimationFrame: (work: (now: number) => void) => void;
}

/** Runs in the page. */
async function watchFrames({ place, milliseconds }: { place: string; milliseconds: number }): Promise<Calm> {
  const longTasks: number[] = [];
  new PerformanceObserver((list) => longTasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
    type: 'longtask' as never,
  });
  const { document: page, requestAnimationFrame: next } = globalThis as never as BrowserPart;
  const frame = async (): Promise<number> => new Promise((resolve) => next(resolve));
  const began = performance.now();
  let last = await frame();
  let [frames, blank, longestGap] = [0, 0, 0];
  const texts = new Set<string>();
  while (performance.now() - began < milliseconds) {
    const now = await frame();
    longestGap = Math.max(longestGap, now - last);
    last = now;
    frames += 1;
    const found = page.querySelector(place);
    if (found === null) blank += 1;
    else texts.add(found.textContent);
  }
  return { frames, blank, changes: texts.size, longestGap, longTasks };
}

interface Axe {
  run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
}

if (process.argv[1] === import.meta.filename) await main();
