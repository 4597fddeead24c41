// `npm run bench -w e2e`: what somebody in front of a browser waits for, on real hosts.
//
// `DX_BIN` names the `dx` to measure; it should be one that was built with optimisation.
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { launchBrowser } from './chromium.mjs';
import { consoleBytes } from './measure/bytes.mjs';
import { firstPaint } from './measure/paint.mjs';
import { keystrokes } from './measure/keystroke.mjs';
import { scrolling } from './measure/scroll.mjs';

const WEB = resolve(import.meta.dirname, '../..');
const asJson = process.argv.includes('--json');
const few = process.argv.includes('--quick');

/** @typedef {{ name: string, values: Record<string, number>, unit: string }} Figure */

/** @type {Figure[]} */
const figures = [];
const add = (/** @type {string} */ name, /** @type {Record<string, number>} */ values, /** @type {string} */ unit) => {
  figures.push({ name, values, unit });
  if (!asJson) console.log(`${name.padEnd(58)}${Object.entries(values).map(([of, value]) => `${of} ${show(value, unit)}`).join('  ')}`);
};

/** @param {number} value @param {string} unit */
function show(value, unit) {
  return unit === 'ms' ? `${value.toFixed(1)} ms` : `${Math.round(value).toLocaleString('en')}${unit === '' ? '' : ` ${unit}`}`;
}

const sizes = execFileSync('npm', ['run', '--silent', 'size', '-w', 'packages/client', '--', '--json'], { cwd: WEB, encoding: 'utf8' });
for (const { name, minified, gzip, brotli } of JSON.parse(sizes)) add(name, { minified, gzip, brotli }, 'bytes');
for (const { name, minified, gzip, brotli } of consoleBytes()) add(name, { minified, gzip, brotli }, 'bytes');

const browser = await launchBrowser();
try {
  for (const { name, values } of await firstPaint(browser, few ? 5 : 20)) add(name, values, 'ms');
  add('keystroke to the other browser’s screen, two hosts', await keystrokes(browser, few ? 100 : 500), 'ms');
  const table = await scrolling(browser, 100_000);
  add('table of 100,000 objects: opened', table.opened, 'ms');
  add('table of 100,000 objects: from one frame to the next', table.frames, 'ms');
  add('table of 100,000 objects: frames', table.counts, '');
  add('the same over an empty page: from one frame to the next', table.empty.frames, 'ms');
  add('the same over an empty page: frames', table.empty.counts, '');
} finally {
  await browser.close();
}
if (asJson) console.log(JSON.stringify(figures));
