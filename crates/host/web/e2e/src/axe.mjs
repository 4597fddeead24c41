// What axe finds wrong with a page for those who do not see it, or do not use a pointer.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * The violations of a page that are serious or worse, each in one line.
 *
 * @param {import('playwright-core').Page} page
 * @returns {Promise<string[]>}
 */
export async function seriousViolations(page) {
  // Evaluated and not injected as a script, which the page's policy refuses.
  await page.evaluate(source);
  return page.evaluate(async () => {
    const { axe } = /** @type {any} */ (window);
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    /** @type {string[]} */
    const lines = [];
    for (const { id, impact, nodes } of violations) {
      if (impact !== 'serious' && impact !== 'critical') continue;
      for (const node of nodes.slice(0, 3)) lines.push(`${id}: ${node.target.join(' ')}: ${node.failureSummary.split('\n')[1] ?? ''}`);
    }
    return lines;
  });
}
