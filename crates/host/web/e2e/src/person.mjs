// Somebody at a console: what the stories do, in the words of what is on screen.
import { join, resolve } from 'node:path';
import { Host } from './host.mjs';
import { noteShifts } from './shift.mjs';

/** How long anything may take before a test gives up. */
export const PATIENCE_MS = 30_000;

/** Where pictures of pages are put. */
export const SCREENSHOTS = resolve(import.meta.dirname, '../screenshots');

/** @typedef {import('playwright-core').Browser} Browser */
/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').BrowserContextOptions} BrowserContextOptions */

/**
 * Takes the console from the directory `CONSOLE_DIST` and not from the host, so that a change of
 * the console can be tried before `dx` is built with it.
 *
 * @param {import('playwright-core').BrowserContext} context
 */
async function serveBundle(context) {
  const bundle = process.env['CONSOLE_DIST'];
  if (!bundle) return;
  await context.route(/^http:\/\/127\.0\.0\.1:\d+\//, (route) => {
    const name = new URL(route.request().url()).pathname.slice(1) || 'index.html';
    return route.fulfill({ path: join(bundle, name) });
  });
}

/** Somebody with a host, a profile and a browser of their own. */
export class Person {
  /** What the page complained of: a console must not. @type {string[]} */
  complaints = [];

  /**
   * @param {string} name
   * @param {Host} host
   * @param {Page} page
   */
  constructor(name, host, page) {
    this.name = name;
    this.host = host;
    this.page = page;
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('pageerror', (error) => this.complaints.push(`${error.name}: ${error.message}`));
    page.on('console', (message) => {
      const text = message.text();
      // A host that is away is no fault of the page.
      if (message.type() === 'error' && !text.includes('WebSocket connection')) this.complaints.push(text);
    });
  }

  /**
   * Starts a host and opens its console.
   *
   * @param {Browser} browser
   * @param {string} name
   * @param {BrowserContextOptions} [options]
   */
  static async arrive(browser, name, options = {}) {
    const host = await Host.start();
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', ...options });
    await serveBundle(context);
    await noteShifts(context);
    const person = new Person(name, host, await context.newPage());
    await person.page.goto(host.url);
    return person;
  }

  /** Creates the identity, as on a first run. */
  async createIdentity() {
    const { page } = this;
    await page.getByRole('button', { name: /^Create an identity/ }).click();
    await page.getByLabel('Your name').fill(this.name);
    await page.getByRole('button', { name: 'Create identity' }).click();
    await page.getByRole('heading', { name: 'Spaces', level: 1 }).waitFor();
  }

  /** @param {string} name */
  async createSpace(name) {
    const { page } = this;
    await page.getByRole('main').getByRole('button', { name: 'Create a space' }).click();
    const dialog = page.getByRole('dialog', { name: 'Create a space' });
    await dialog.getByLabel('Name').fill(name);
    await dialog.getByRole('button', { name: 'Create space' }).click();
    await page.getByRole('heading', { name, level: 1 }).waitFor();
  }

  /** @param {string} tab */
  async openTab(tab) {
    await this.page.getByRole('navigation', { name: 'Pages of this space' }).getByRole('link', { name: tab, exact: true }).click();
  }

  /** @param {string} page */
  async openPage(page) {
    await this.page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: page, exact: true }).click();
    await this.page.getByRole('heading', { name: page, level: 1 }).waitFor();
  }

  /**
   * Invites somebody to the space that shows, and leaves the dialog open.
   *
   * @returns {Promise<{ invitation: string, code: string }>}
   */
  async invite() {
    const { page } = this;
    await page.locator('main header').getByRole('button', { name: 'Invite' }).click();
    await page.getByRole('button', { name: 'Create invitation' }).click();
    return this.readInvitation();
  }

  /** Reads the invitation that shows. */
  async readInvitation() {
    const dialog = this.page.getByRole('dialog');
    await dialog.getByRole('img', { name: 'The invitation as a QR code' }).waitFor();
    const invitation = (await dialog.getByTestId('invitation-code').innerText()).trim();
    const code = (await dialog.getByTestId('auth-code').innerText()).trim();
    return { invitation, code };
  }

  /**
   * Takes an invitation to a space.
   *
   * @param {{ invitation: string, code: string }} given
   */
  async join(given) {
    const { page } = this;
    await page.getByRole('main').getByRole('button', { name: 'Join', exact: true }).click();
    await this.answer(given);
  }

  /**
   * Answers an invitation: its text and the digits.
   *
   * @param {{ invitation: string, code: string }} given
   */
  async answer({ invitation, code }) {
    const { page } = this;
    await page.getByRole('textbox', { name: 'Invitation' }).fill(invitation);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByLabel('Six digits').fill(code);
  }

  /** @param {string} title */
  async addTask(title) {
    const { page } = this;
    await page.getByRole('button', { name: /^New/ }).click();
    const dialog = page.getByRole('dialog', { name: 'New object' });
    await dialog.getByLabel('Type').selectOption({ label: 'Task' });
    await dialog.getByLabel(/^Title/).fill(title);
    await dialog.getByRole('button', { name: 'Create object' }).click();
    await dialog.waitFor({ state: 'detached' });
    await this.cell(title).waitFor();
    await page.getByRole('button', { name: 'Close the object' }).click();
  }

  /**
   * The cell of the table with that text.
   *
   * @param {string} text
   */
  cell(text) {
    return this.page.getByRole('grid').getByRole('gridcell', { name: text, exact: true });
  }

  /**
   * The row of the table with that text.
   *
   * @param {string} text
   */
  row(text) {
    return this.page.getByRole('row').filter({ has: this.page.getByRole('gridcell', { name: text, exact: true }) });
  }

  /**
   * Changes a title in the table, by the keyboard.
   *
   * @param {string} before
   * @param {string} after
   */
  async rename(before, after) {
    const { page } = this;
    await this.cell(before).dblclick();
    const line = page.getByRole('grid').getByRole('textbox', { name: /^Title of object/ });
    await line.fill(after);
    await line.press('Enter');
    await this.cell(after).waitFor();
  }

  /** The text that is open. */
  get text() {
    return this.page.getByTestId('text').getByRole('textbox');
  }

  /** What the text that is open says, line by line. */
  async read() {
    const lines = await this.text.locator('.cm-line').evaluateAll((all) =>
      all.map((line) => {
        const copy = /** @type {Element} */ (line.cloneNode(true));
        // Others' cursors are not of the text.
        for (const caret of copy.querySelectorAll('.cm-dxos-caret')) caret.remove();
        return copy.textContent;
      }),
    );
    return lines.join('\n');
  }

  /** Goes online or offline on the network page, and comes back to where it was. */
  async setNetwork(/** @type {'online' | 'offline'} */ state) {
    const { page } = this;
    const before = new URL(page.url()).hash;
    await this.openPage('Network');
    await page.getByRole('button', { name: state === 'online' ? 'Go online' : 'Go offline' }).click();
    await page.locator('main header').getByText(state, { exact: true }).waitFor();
    await page.evaluate((hash) => (window.location.hash = hash), before);
  }

  /** Fails when the page has complained of anything. */
  expectNoComplaints() {
    if (this.complaints.length > 0) throw new Error(`the page of ${this.name} complained:\n${this.complaints.join('\n')}`);
  }

  async leave() {
    await this.page.context().close();
    await this.host.remove();
  }
}
