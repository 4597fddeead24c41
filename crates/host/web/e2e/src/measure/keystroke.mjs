// From a key that is pressed in one browser to the letter on the screen of another: two hosts,
// two profiles, one text, over QUIC on loopback.
import { Person } from '../person.mjs';
import { percentile } from './percentile.mjs';

/** As fast as people type. */
const PAUSE_MS = 60;
/** Keys that are pressed before it counts. */
const WARM_UP = 20;

/**
 * @param {import('playwright-core').Browser} browser
 * @param {number} times
 * @returns {Promise<Record<string, number>>}
 */
export async function keystrokes(browser, times) {
  const [ann, bob] = await Promise.all([Person.arrive(browser, 'Ann'), Person.arrive(browser, 'Bob')]);
  try {
    await Promise.all([ann.createIdentity(), bob.createIdentity()]);
    await ann.createSpace('Garden');
    const given = await ann.invite();
    await bob.join(given);
    await bob.page.getByRole('heading', { name: 'Garden', level: 1 }).waitFor();
    await ann.page.getByRole('button', { name: 'Done' }).click();
    await ann.openTab('Documents');
    await ann.page.getByRole('button', { name: 'New document' }).click();
    await ann.text.click();
    await bob.openTab('Documents');
    await bob.page.getByRole('link', { name: /^Untitled/ }).click();
    await bob.text.waitFor();

    await ann.text.evaluate((text) => {
      /** @type {number[]} */
      const pressed = [];
      Object.assign(window, { pressed });
      const at = (/** @type {Event} */ event) => pressed.push(performance.timeOrigin + event.timeStamp);
      text.addEventListener('keydown', at, { capture: true });
    });
    await bob.text.evaluate((text) => {
      /** @type {number[]} */
      const painted = [];
      Object.assign(window, { painted });
      let isDue = false;
      const look = () => {
        isDue = false;
        const letters = (text.textContent ?? '').split('x').length - 1;
        // The first task after a frame runs when it was painted.
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
          const now = performance.timeOrigin + performance.now();
          while (painted.length < letters) painted.push(now);
        };
        port2.postMessage(null);
      };
      new MutationObserver(() => {
        if (!isDue) requestAnimationFrame(look);
        isDue = true;
      }).observe(text, { childList: true, subtree: true, characterData: true });
    });
    for (let key = 0; key < times + WARM_UP; key += 1) {
      await ann.page.keyboard.press('x');
      await ann.page.waitForTimeout(PAUSE_MS);
    }
    const all = times + WARM_UP;
    await bob.page.waitForFunction((count) => /** @type {any} */ (window).painted.length >= count, all);
    const pressed = await ann.page.evaluate(() => /** @type {any} */ (window).pressed);
    const painted = await bob.page.evaluate(() => /** @type {any} */ (window).painted);
    const took = [];
    for (let key = WARM_UP; key < all; key += 1) took.push(painted[key] - pressed[key]);
    return { p50: percentile(took, 50), p99: percentile(took, 99) };
  } finally {
    await Promise.all([ann.leave(), bob.leave()]);
  }
}
