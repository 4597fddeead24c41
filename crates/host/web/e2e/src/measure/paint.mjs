// When the console first shows something, and when it shows what was asked for.
import { Person } from '../person.mjs';
import { percentile } from './percentile.mjs';

/**
 * @param {import('playwright-core').Browser} browser
 * @param {number} times
 * @returns {Promise<Array<{ name: string, values: Record<string, number> }>>}
 */
export async function firstPaint(browser, times) {
  const fresh = await Person.arrive(browser, 'Ann');
  try {
    await fresh.createIdentity();
    await fresh.createSpace('Garden');
    const state = await fresh.page.context().storageState();
    const url = fresh.page.url();
    const paints = [];
    const contents = [];
    for (let round = 0; round < times; round += 1) {
      // A context of its own has no cache: all of it is loaded, parsed and run.
      const context = await browser.newContext({ storageState: state, viewport: { width: 1280, height: 800 } });
      const page = await context.newPage();
      await page.goto(url);
      const shown = page.getByRole('heading', { name: 'No objects yet' });
      await shown.waitFor();
      const { paint, content } = await shown.evaluate((heading) => ({
        paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN,
        content: performance.now() - (heading.isConnected ? 0 : Number.NaN),
      }));
      paints.push(paint);
      contents.push(content);
      await context.close();
    }
    return [
      { name: 'console: first paint, empty cache', values: { p50: percentile(paints, 50), p99: percentile(paints, 99) } },
      { name: 'console: objects of a space show, at most', values: { p50: percentile(contents, 50), p99: percentile(contents, 99) } },
    ];
  } finally {
    await fresh.leave();
  }
}
