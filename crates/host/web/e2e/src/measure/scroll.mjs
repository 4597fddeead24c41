// A table of many objects: how long until it is there, and whether it scrolls without dropping frames.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Person } from '../person.mjs';
import { percentile } from './percentile.mjs';

/** How long the wheel is turned. */
const SCROLL_MS = 5000;
/** How far a turn of the wheel goes: ten times as fast as a page can be read. */
const TURN_PX = 400;
/** From one frame to the next, at 60 a second. */
const FRAME_MS = 1000 / 60;

/**
 * @param {import('playwright-core').Browser} browser
 * @param {number} count
 */
export async function scrolling(browser, count) {
  const ann = await Person.arrive(browser, 'Ann');
  try {
    await ann.createIdentity();
    await ann.createSpace('Garden');
    const url = ann.page.url();
    await ann.host.stop();
    importObjects(ann, count);
    await ann.host.start();
    const page = await ann.page.context().newPage();
    await ann.page.close();
    const begun = performance.now();
    await page.goto(url.replace(/^http:\/\/[^/]+/, ann.host.origin));
    const everything = count.toLocaleString('en');
    await page.getByRole('gridcell').first().waitFor();
    const first = performance.now() - begun;
    await page.getByText(`${everything} objects`).waitFor({ timeout: 120_000 });
    const opened = { first, all: performance.now() - begun };

    const grid = page.getByRole('grid');
    const table = await turnWheel(page, grid);
    const rows = await grid.evaluate((element) => element.scrollTop / 33);
    // What is drawn is where the wheel went.
    const drawn = await grid.getByRole('row').count();
    const empty = await scrollNothing(page);
    return {
      opened,
      frames: between(table),
      counts: { ...counts(table), 'rows passed': rows, 'rows in the page': drawn },
      empty: { frames: between(empty), counts: counts(empty) },
    };
  } finally {
    await ann.leave();
  }
}

/**
 * What the browser itself and the machine drop: the same wheel over a page on which nothing is
 * written and no script runs but the one that counts.
 *
 * @param {import('playwright-core').Page} page
 */
async function scrollNothing(page) {
  const empty = await page.context().newPage();
  await page.close();
  await empty.setContent('<main style="height: 100vh; overflow: auto"><div style="height: 3300000px"></div></main>');
  return turnWheel(empty, empty.locator('main'));
}

/**
 * Turns the wheel over something, and gives when frames were shown.
 *
 * @param {import('playwright-core').Page} page
 * @param {import('playwright-core').Locator} over
 * @returns {Promise<number[]>}
 */
async function turnWheel(page, over) {
  await over.hover();
  await page.evaluate(() => {
    /** @type {number[]} */
    const frames = [];
    Object.assign(window, { frames });
    const step = (/** @type {number} */ now) => {
      frames.push(now);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  await page.waitForTimeout(500);
  await take(page);
  const end = performance.now() + SCROLL_MS;
  while (performance.now() < end) await page.mouse.wheel(0, TURN_PX);
  return take(page);
}

/** @param {import('playwright-core').Page} page @returns {Promise<number[]>} */
function take(page) {
  return page.evaluate(() => /** @type {any} */ (window).frames.splice(0));
}

/** @param {readonly number[]} times */
function gaps(times) {
  return times.slice(1).map((time, at) => time - (times[at] ?? time));
}

/** @param {readonly number[]} times */
function between(times) {
  const all = gaps(times);
  return { p50: percentile(all, 50), p99: percentile(all, 99), longest: Math.max(...all) };
}

/**
 * How many frames were shown, and how many were left out: of a gap of n frames n - 1.
 *
 * @param {readonly number[]} times
 */
function counts(times) {
  const missed = gaps(times).reduce((sum, gap) => sum + Math.max(0, Math.round(gap / FRAME_MS) - 1), 0);
  return { shown: times.length, dropped: missed };
}

/** @param {Person} person @param {number} count */
function importObjects(person, count) {
  const folder = mkdtempSync(join(tmpdir(), 'dxos-bench-'));
  try {
    const file = join(folder, 'tasks.jsonl');
    const lines = [];
    for (let n = 0; n < count; n += 1) {
      lines.push(JSON.stringify({ title: `Task ${n}`, done: n % 3 === 0, priority: ['low', 'normal', 'high'][n % 3], effort: n % 17 }));
    }
    writeFileSync(file, `${lines.join('\n')}\n`);
    person.host.run(['import', 'Garden', file, '--type', 'example.com/type/Task']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
