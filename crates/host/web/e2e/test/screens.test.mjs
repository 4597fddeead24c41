// Every page of the console in light, dark and at the width of a phone: pictures to look at, no
// serious violations, nothing that is wider than the screen.
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seriousViolations } from '../src/axe.mjs';
import { launchBrowser } from '../src/chromium.mjs';
import { PATIENCE_MS, Person, SCREENSHOTS } from '../src/person.mjs';
import { shifts } from '../src/shift.mjs';

/** @type {import('playwright-core').Browser} */
let browser;
/** @type {Person} */
let ann;
/** @type {Person} */
let bob;
let space = '';

const LOOKS = /** @type {const} */ ([
  { look: 'light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { look: 'dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  { look: 'phone', colorScheme: 'light', viewport: { width: 360, height: 740 } },
]);

const TASKS = ['Sow the peas', 'Repair the fence', 'Order compost', 'Prune the apple tree', 'Clean the water butt', 'Label the beds'];

beforeAll(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  browser = await launchBrowser();
  ann = await Person.arrive(browser, 'Ann');
  bob = await Person.arrive(browser, 'Bob');
});

afterAll(async () => {
  await Promise.all([ann, bob].map((person) => person?.leave()));
  await browser?.close();
});

/**
 * Shows what is on screen in each look: a picture, and what is wrong with it.
 *
 * @param {Person} person
 * @param {string} name
 */
async function show({ page }, name) {
  /** @type {string[]} */
  const wrong = [];
  for (const { look, colorScheme, viewport } of LOOKS) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.setViewportSize(viewport);
    await page.evaluate(() => document.fonts.ready);
    await page.screenshot({ path: `${SCREENSHOTS}/${name}-${look}.png` });
    wrong.push(...(await seriousViolations(page)).map((line) => `${name}, ${look}: ${line}`));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (wide > 0) wrong.push(`${name}, ${look}: ${wide} pixels wider than the screen`);
  }
  const first = LOOKS[0];
  await page.emulateMedia({ colorScheme: first.colorScheme, reducedMotion: 'reduce' });
  await page.setViewportSize(first.viewport);
  expect(wrong).toEqual([]);
}

test('the first run', async () => {
  await ann.page.getByRole('heading', { name: 'Who are you?' }).waitFor();
  await show(ann, 'welcome');
  await ann.page.getByRole('button', { name: /^Create an identity/ }).click();
  await show(ann, 'welcome-create');
  await ann.page.getByRole('button', { name: 'Back' }).click();
  await ann.page.getByRole('button', { name: /^Recover an identity/ }).click();
  await show(ann, 'welcome-recover');
  await ann.page.getByRole('button', { name: 'Back' }).click();
  await ann.createIdentity();
  await show(ann, 'spaces-none');
  await bob.createIdentity();
});

test('a space from empty to shared', async () => {
  await ann.createSpace('Garden');
  space = new URL(ann.page.url()).hash.split('/')[2] ?? '';
  await ann.page.getByRole('heading', { name: 'No objects yet' }).waitFor();
  await show(ann, 'objects-none');
  const given = await ann.invite();
  await show(ann, 'invite');
  await bob.page.getByRole('main').getByRole('button', { name: 'Join', exact: true }).click();
  await show(bob, 'join');
  await bob.page.getByRole('textbox', { name: 'Invitation' }).fill(given.invitation);
  await bob.page.getByRole('button', { name: 'Continue' }).click();
  await bob.page.getByLabel('Six digits').waitFor();
  await show(bob, 'join-code');
  await bob.page.getByLabel('Six digits').fill(given.code);
  await bob.page.getByRole('heading', { name: 'Garden', level: 1 }).waitFor();
  await ann.page.getByRole('button', { name: 'Done' }).click();
  for (const [at, title] of TASKS.entries()) await (at % 2 === 0 ? ann : bob).addTask(title);
  await ann.cell(TASKS.at(-1) ?? '').waitFor();
  await ann.row('Order compost').getByRole('checkbox').check();
  await show(ann, 'objects');
  await ann.row('Repair the fence').getByRole('button', { name: /^Open object/ }).click();
  await ann.page.getByLabel('Priority').selectOption('high');
  await show(ann, 'object');
  await ann.page.getByRole('button', { name: 'Close the object' }).click();
  await ann.page.getByRole('button', { name: 'New object' }).click();
  await show(ann, 'object-new');
  await ann.page.keyboard.press('Escape');
});

test('documents with two cursors', async () => {
  await ann.openTab('Documents');
  await ann.page.getByRole('button', { name: 'New document' }).click();
  await ann.text.waitFor();
  await ann.page.getByLabel('Title', { exact: true }).fill('Plan for spring');
  await ann.page.getByLabel('Title', { exact: true }).press('Enter');
  await ann.text.click();
  await ann.page.keyboard.type('Peas go in first, as soon as the ground is soft.\n\nThen the onions, and the beans once it is warm.');
  await bob.openTab('Documents');
  await bob.page.getByRole('link', { name: /^Plan for spring/ }).click();
  await bob.text.click();
  await bob.page.keyboard.press('Control+Home');
  await bob.page.keyboard.type('A draft. ');
  await ann.page.locator('.cm-dxos-caret-name', { hasText: 'Bob' }).first().waitFor();
  await show(ann, 'document');
});

test('words are found in every text, the best first, with what is around them', async () => {
  const { page } = ann;
  await ann.openTab('Search');
  await page.getByRole('heading', { name: 'Search every text of this space' }).waitFor();
  await show(ann, 'search-none');
  // What shows is kept up to date: the other one's edits too.
  await page.getByRole('searchbox', { name: 'Search this space' }).fill('the pea*');
  const results = page.getByRole('region', { name: 'Results' });
  await results.locator('mark').first().waitFor();
  expect(await results.locator('mark').allInnerTexts()).toContain('Peas');
  await bob.openTab('Objects');
  await bob.addTask('Water the peas');
  await results.getByRole('link', { name: /^Water the peas/ }).waitFor();
  expect(new URL(page.url()).hash).toContain('q=the%20pea*');
  await show(ann, 'search');
  await results.getByRole('link', { name: /^Plan for spring/ }).click();
  await ann.text.waitFor();
  await page.goBack();
  await results.getByRole('link', { name: /^Water the peas/ }).waitFor();
  await page.getByRole('searchbox', { name: 'Search this space' }).fill('zeppelin');
  await results.getByRole('heading', { name: 'Nothing found' }).waitFor();
  await show(ann, 'search-nothing');
  // From everywhere by the palette.
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: 'Search or jump to' }).fill('compost');
  await page.getByRole('option', { name: /^Search “compost” in Garden/ }).click();
  await results.getByRole('link', { name: /^Order compost/ }).waitFor();
});

test('queues are listed, read, followed, appended to and bounded', async () => {
  const { page } = ann;
  await ann.openTab('Queues');
  await page.getByRole('heading', { name: 'No queues yet' }).waitFor();
  await show(ann, 'queues-none');
  await page.getByRole('button', { name: 'New queue' }).click();
  await page.getByRole('dialog', { name: 'New queue' }).getByLabel('Name').fill('garden/log');
  await show(ann, 'queue-new');
  await page.keyboard.press('Enter');
  const items = page.getByRole('log', { name: 'Items' });
  const append = page.getByLabel('Append', { exact: true });
  await page.getByRole('heading', { name: 'Nothing in it yet' }).waitFor();
  await append.fill('Good morning');
  await append.press('Enter');
  await items.getByText('Good morning').waitFor();
  await append.fill('{"reading": ');
  await append.press('Enter');
  await page.getByText('This is no JSON').waitFor();
  await append.fill('{"reading": 21.5, "of": "the greenhouse"}');
  await append.press('Enter');
  await items.getByText('"reading":21.5').waitFor();
  // The other one reads it, and is followed.
  await bob.openTab('Queues');
  await bob.page.getByRole('link', { name: /^garden\/log/ }).click();
  const theirs = bob.page.getByRole('log', { name: 'Items' });
  await theirs.getByText('Good morning').waitFor();
  for (let n = 1; n <= 6; n += 1) {
    await bob.page.getByLabel('Append', { exact: true }).fill(n % 2 === 0 ? `Bed ${n} is watered` : `{"bed":${n},"moist":${n * 7}}`);
    await bob.page.getByLabel('Append', { exact: true }).press('Enter');
    await items.getByText(n % 2 === 0 ? `Bed ${n} is watered` : `"bed":${n}`).waitFor();
  }
  expect(await items.getByRole('listitem').count()).toBe(8);
  await show(ann, 'queue');
  await page.getByRole('button', { name: 'Retention' }).click();
  await page.getByLabel('Items at most').fill('5');
  await show(ann, 'queue-retention');
  await page.keyboard.press('Enter');
  await page.getByText('keeps the last 5 items').first().waitFor();
  await append.fill('The last one');
  await append.press('Enter');
  await expect.poll(() => theirs.getByRole('listitem').count(), { timeout: PATIENCE_MS }).toBe(5);
  await theirs.getByText('The last one').waitFor();
  expect(await theirs.getByText('Good morning').count()).toBe(0);
});

test('the other pages of a space', async () => {
  await ann.openTab('Query');
  await ann.page.getByRole('button', { name: 'Add a condition' }).click();
  await ann.page.getByLabel('Property of condition 1').fill('done');
  await ann.page.getByLabel('Value of condition 1').fill('yes');
  await ann.page.getByText('1 object, kept up to date').waitFor();
  await ann.cell('Order compost').waitFor();
  await show(ann, 'query');
  // The same query in its other forms.
  await ann.page.getByRole('button', { name: 'Text', exact: true }).click();
  await expect.poll(() => ann.page.getByRole('textbox', { name: 'Query' }).inputValue(), { timeout: PATIENCE_MS }).toBe('done:true');
  await ann.page.getByRole('textbox', { name: 'Query' }).fill('type:');
  await ann.page.getByText(/^text: at character/).waitFor();
  await ann.page.getByRole('textbox', { name: 'Query' }).fill('text:"comp*" order:-@relevance');
  await ann.page.getByText('1 object, kept up to date').waitFor();
  await show(ann, 'query-text');
  await ann.openTab('History');
  const time = ann.page.getByRole('slider', { name: 'Time' });
  await time.waitFor();
  const now = await ann.page.getByRole('region', { name: 'Objects as they were' }).getByRole('row').count();
  await time.focus();
  await ann.page.keyboard.press('Home');
  await expect.poll(() => ann.page.getByRole('region', { name: 'Objects as they were' }).getByRole('row').count(), { timeout: PATIENCE_MS }).toBeLessThan(now);
  for (let step = 0; step < 5; step += 1) await ann.page.keyboard.press('ArrowRight');
  await ann.page.getByText(/^[1-9]\d* objects?$/).waitFor();
  await show(ann, 'history');
  for (const tab of ['Members', 'Feeds', 'Replication', 'Settings']) {
    await ann.openTab(tab);
    await ann.page.getByRole('main').getByRole('listitem').or(ann.page.getByRole('main').getByRole('table')).first().waitFor();
    await show(ann, tab.toLowerCase());
  }
  const kept = ann.page.getByRole('region', { name: 'On this device' });
  await kept.getByText(/feeds, /).waitFor();
  await kept.getByRole('button', { name: 'Delete on this device' }).click();
  await kept.getByText('1 other device has signed to have all of it.').waitFor();
  await kept.scrollIntoViewIfNeeded();
  await show(ann, 'settings-kept');
  await kept.getByRole('button', { name: 'Keep' }).click();
  await kept.getByRole('button', { name: 'Close the space' }).click();
  await ann.page.getByRole('heading', { name: 'This space is closed' }).waitFor();
  await show(ann, 'closed');
  await ann.page.getByRole('button', { name: 'Open the space' }).click();
  await ann.openTab('Feeds');
  const epochs = ann.page.getByRole('region', { name: 'Epochs' });
  await epochs.getByRole('button', { name: 'Create an epoch' }).click();
  await epochs.getByText('current', { exact: true }).waitFor();
  await show(ann, 'epochs');
});

test('identity, devices, contacts, network, host', async () => {
  await ann.page.goto(`${ann.host.origin}/#/`);
  await ann.page.getByRole('heading', { name: 'Spaces', level: 1 }).waitFor();
  // What a user has made, and not what the space keeps for itself.
  await ann.page.getByRole('main').getByRole('listitem').filter({ hasText: 'Garden' }).getByText('8 objects').waitFor();
  await show(ann, 'spaces');
  await ann.page.getByRole('main').getByRole('button', { name: 'Restore' }).click();
  await ann.page.getByRole('dialog', { name: 'Restore an archive' }).waitFor();
  await show(ann, 'restore');
  await ann.page.keyboard.press('Escape');
  for (const page of ['Profile', 'Devices', 'Contacts', 'Network', 'Host']) {
    await ann.openPage(page);
    await show(ann, page.toLowerCase());
  }
  const doctor = ann.page.getByRole('region', { name: 'Whether it is whole' });
  await doctor.getByRole('button', { name: 'Check what is stored' }).click();
  await doctor.getByText('everything is whole').waitFor();
  await doctor.scrollIntoViewIfNeeded();
  await show(ann, 'host-doctor');
  await ann.openPage('Devices');
  await ann.page.getByRole('button', { name: 'Add a device' }).click();
  await ann.readInvitation();
  await show(ann, 'device-add');
  await ann.page.keyboard.press('Escape');
});

test('a simulated world', async () => {
  const { page } = ann;
  await ann.openPage('Simulation');
  await show(ann, 'simulation-none');
  const file = page.getByLabel('A timeline', { exact: true });
  await file.setInputFiles({ name: 'other.json', mimeType: 'application/json', buffer: Buffer.from('{"format":"other"}') });
  await page.getByRole('alert').getByText('is not of the format').waitFor();
  // Written by `sim --seed 7 --steps 60 --timeline`.
  await file.setInputFiles(resolve(import.meta.dirname, '../data/world.json'));
  const moments = page.getByRole('listbox', { name: 'Moments' });
  await moments.getByRole('option', { selected: true }).getByText('Peer 0 started').waitFor();
  expect(await page.getByRole('alert').count()).toBe(0);
  await page.getByLabel('Kind').selectOption('killed');
  await moments.focus();
  await page.keyboard.press('End');
  await moments.getByRole('option', { selected: true }).getByText('was killed').waitFor();
  await page.getByLabel('Kind').selectOption('');
  await moments.focus();
  for (let times = 0; times < 3; times += 1) await page.keyboard.press('PageDown');
  await show(ann, 'simulation');
  await page.getByRole('button', { name: '16×' }).click();
  expect(await page.getByRole('region', { name: 'The world in virtual time' }).evaluate((world) => world.scrollWidth > world.clientWidth * 10)).toBe(true);
});

test('the keyboard leads everywhere, and every stop is seen', async () => {
  const { page } = ann;
  await page.goto(`${ann.host.origin}/#/space/${space}/objects`);
  await ann.cell('Sow the peas').waitFor();
  await page.keyboard.press('Control+k');
  const box = page.getByRole('combobox', { name: 'Search or jump to' });
  await box.waitFor();
  await show(ann, 'palette');
  await box.fill('feeds');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Blocks' }).waitFor();
  await page.keyboard.press('Control+k');
  await box.fill('garden objects');
  await page.keyboard.press('Enter');
  await ann.cell('Sow the peas').waitFor();
  // A table is one stop, and cells are gone to with arrows and edited with Enter.
  await page.getByRole('grid').focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('Enter');
  await page.keyboard.type(' again');
  await page.keyboard.press('Enter');
  await page.getByRole('gridcell', { name: / again$/ }).waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('fence');
  await expect.poll(() => page.getByRole('grid').getByRole('row').count(), { timeout: PATIENCE_MS }).toBe(2);
  await page.keyboard.press('Escape');
  // Each stop of the Tab key shows where it is.
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.blur());
  for (let stop = 0; stop < 25; stop += 1) {
    await page.keyboard.press('Tab');
    const seen = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return 'the body';
      const style = getComputedStyle(element);
      return style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) > 0 ? '' : `${element.tagName} ${element.className}`;
    });
    expect(seen === '' || seen === 'the body', seen).toBe(true);
  }
});

test('nothing moves by itself while a page is loaded', async () => {
  const { page } = ann;
  const pages = ['', 'profile', 'devices', 'contacts', 'network', 'host', 'simulation'];
  const ofSpace = ['objects', 'documents', 'search', 'query', 'queues', 'history', 'members', 'feeds', 'replication', 'settings'].map((name) => `space/${space}/${name}`);
  /** @type {string[]} */
  const moved = [];
  for (const { look, viewport } of LOOKS.filter(({ look }) => look !== 'dark')) {
    await page.setViewportSize(viewport);
    for (const path of [...pages, ...ofSpace]) {
      await page.goto('about:blank');
      await page.goto(`${ann.host.origin}/#/${path}`);
      await page.getByRole('heading', { level: 1 }).first().waitFor();
      const all = await shifts(page);
      const sum = all.reduce((total, { value }) => total + value, 0);
      if (sum > 0.02) moved.push(`${path || 'spaces'}, ${look}: ${sum.toFixed(3)} by ${all.map(({ of }) => of).join(' | ').slice(0, 600)}`);
    }
  }
  await page.setViewportSize(LOOKS[0].viewport);
  expect(moved).toEqual([]);
});

test('no page has complained of anything', () => {
  ann.expectNoComplaints();
  bob.expectNoComplaints();
});
