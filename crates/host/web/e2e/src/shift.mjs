// How much of a page moves by itself.

/**
 * Has every page of a context note what moves without the user having done anything.
 *
 * @param {import('playwright-core').BrowserContext} context
 */
export async function noteShifts(context) {
  await context.addInitScript(() => {
    /** @type {Array<{ value: number, of: string }>} */
    const shifts = [];
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of /** @type {any[]} */ (list.getEntries())) {
        if (entry.hadRecentInput) continue;
        const of = entry.sources.map((/** @type {any} */ { node }) => node?.outerHTML?.slice(0, 120) ?? '').join(' ');
        shifts.push({ value: entry.value, of });
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
}

/** Frames after which what was asked for has come, and shows. */
const FRAMES = 20;

/**
 * What has moved since the page was loaded, and how much: 1 is all of the screen by its own height.
 *
 * @param {import('playwright-core').Page} page
 * @returns {Promise<Array<{ value: number, of: string }>>}
 */
export function shifts(page) {
  return page.evaluate(async (frames) => {
    for (let left = frames; left > 0; left -= 1) await new Promise((resolve) => requestAnimationFrame(resolve));
    return /** @type {any} */ (window).shifts;
  }, FRAMES);
}
