// Two people at two machines, from the first run to what the network and the host do to them.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { launchBrowser } from '../src/chromium.mjs';
import { PATIENCE_MS, Person, SCREENSHOTS } from '../src/person.mjs';

/** @type {import('playwright-core').Browser} */
let browser;
/** @type {Person} */
let ann;
/** @type {Person} */
let bob;
/** Ann's second device. @type {Person} */
let laptop;

const soon = { timeout: PATIENCE_MS };

beforeAll(async () => {
  browser = await launchBrowser();
  ann = await Person.arrive(browser, 'Ann');
  bob = await Person.arrive(browser, 'Bob');
});

afterAll(async () => {
  await Promise.all([ann, bob, laptop].map((person) => person?.leave()));
  await browser?.close();
});

// What was on screen when a step failed.
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  for (const [name, person] of Object.entries({ ann, bob, laptop })) {
    await person?.page.screenshot({ path: `${SCREENSHOTS}/failed-${name}.png` }).catch(() => {});
  }
});

// Each step begins where the one before it ended.
describe.sequential('two people share a space', () => {
  test('a first run leads from nothing to an identity, and takes the token out of the address', async () => {
    await ann.page.getByRole('heading', { name: 'Who are you?' }).waitFor();
    expect(new URL(ann.page.url()).hash).not.toContain('token');
    await ann.createIdentity();
    await bob.createIdentity();
    await ann.createSpace('Garden');
  });

  test('an invitation and its digits make a member; a wrong code is refused in words and may be tried again', async () => {
    const given = await ann.invite();
    expect(given.code).toMatch(/^\d{6}$/);
    await bob.join({ ...given, code: given.code === '000000' ? '111111' : '000000' });
    await bob.page.getByText('That was not the code. 2 tries are left.').waitFor();
    await bob.page.getByLabel('Six digits').fill(given.code);
    await bob.page.getByRole('heading', { name: 'Garden', level: 1 }).waitFor();
    await ann.page.getByTestId('invitation-used').waitFor();
    await ann.page.getByRole('button', { name: 'Done' }).click();
    await ann.openTab('Members');
    const row = ann.page.getByRole('listitem').filter({ hasText: 'Bob' });
    await row.getByText('online').waitFor();
    await bob.openTab('Members');
    await bob.page.getByRole('listitem').filter({ hasText: 'Ann' }).waitFor();
  });

  test('both edit tasks, and each sees what the other does', async () => {
    await ann.openTab('Objects');
    await ann.addTask('Water the plants');
    await bob.page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: /^Garden/ }).click();
    await bob.cell('Water the plants').waitFor();
    await bob.addTask('Buy seeds');
    await ann.cell('Buy seeds').waitFor();
    await ann.rename('Buy seeds', 'Buy sunflower seeds');
    await bob.cell('Buy sunflower seeds').waitFor();
    await bob.row('Water the plants').getByRole('checkbox').check();
    const done = ann.row('Water the plants').getByRole('checkbox');
    await expect.poll(() => done.isChecked(), soon).toBe(true);
  });

  test('both type into one text at once, and see where the other is', async () => {
    await ann.openTab('Documents');
    await ann.page.getByRole('button', { name: 'New document' }).click();
    await ann.text.waitFor();
    await ann.page.getByLabel('Title', { exact: true }).fill('Plan');
    await ann.page.getByLabel('Title', { exact: true }).press('Enter');
    await bob.openTab('Documents');
    await bob.page.getByRole('link', { name: /^Plan/ }).click();
    await Promise.all([bob.text.click(), ann.text.click()]);
    const [left, right] = ['Peas in spring.', 'Beans in summer.'];
    await Promise.all([ann.page.keyboard.type(left, { delay: 25 }), bob.page.keyboard.type(right, { delay: 25 })]);
    await expect.poll(async () => (await ann.read()).length, soon).toBe(left.length + right.length);
    await expect.poll(() => bob.read(), soon).toBe(await ann.read());
    const letters = (/** @type {string} */ text) => [...text].sort().join('');
    expect(letters(await ann.read())).toBe(letters(left + right));
    await ann.page.locator('.cm-dxos-caret-name', { hasText: 'Bob' }).first().waitFor();
    await bob.page.locator('.cm-dxos-caret-name', { hasText: 'Ann' }).first().waitFor();
    // Undo takes back what was typed here, and nothing of the other.
    await ann.page.keyboard.press('Control+z');
    await expect.poll(async () => (await bob.read()).length, soon).toBeLessThan(left.length + right.length);
    expect(letters(await bob.read())).toContain(letters('Beans').charAt(0));
  });

  test('what an input method composes stays whole while the other types', async () => {
    await expect.poll(async () => (await ann.read()) === (await bob.read()), soon).toBe(true);
    const before = await ann.read();
    await ann.page.keyboard.press('Control+End');
    await bob.page.keyboard.press('Control+Home');
    const keyboard = await ann.page.context().newCDPSession(ann.page);
    for (const text of ['k', 'か', 'かん']) {
      await keyboard.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length });
      await bob.page.keyboard.type('.');
    }
    await expect.poll(() => ann.read(), soon).toBe(`...${before}かん`);
    await keyboard.send('Input.insertText', { text: '漢' });
    await expect.poll(() => bob.read(), soon).toBe(`...${before}漢`);
    expect(await ann.read()).toBe(`...${before}漢`);
  });

  test('one goes offline, both go on, and both have everything afterwards', async () => {
    await ann.openTab('Objects');
    await bob.openTab('Objects');
    await bob.setNetwork('offline');
    await bob.addTask('Written offline');
    await ann.addTask('Written meanwhile');
    await ann.rename('Water the plants', 'Water all plants');
    await expect.poll(() => bob.cell('Written meanwhile').count()).toBe(0);
    await bob.setNetwork('online');
    await bob.cell('Written meanwhile').waitFor();
    await bob.cell('Water all plants').waitFor();
    await ann.cell('Written offline').waitFor();
  });

  test('a page that is loaded anew is where it was, without another token', async () => {
    await ann.page.reload();
    await ann.cell('Written offline').waitFor();
    expect(new URL(ann.page.url()).hash).toMatch(/^#\/space\//);
  });

  test('a host that starts again under an open page is found again, with what was written meanwhile', async () => {
    await bob.host.stop('SIGINT');
    await bob.page.getByText('The host does not answer').waitFor();
    // What is written without the host shows, and is sent once it is back.
    await bob.row('Written offline').getByRole('checkbox').check();
    await ann.addTask('Written while it was away');
    await bob.host.start();
    await bob.cell('Written while it was away').waitFor();
    await bob.page.getByText('The host does not answer').waitFor({ state: 'detached' });
    const done = ann.row('Written offline').getByRole('checkbox');
    await expect.poll(() => done.isChecked(), soon).toBe(true);
  });

  test('a second device gets every space, and its edits come back', async () => {
    await ann.openPage('Devices');
    await ann.page.getByRole('button', { name: 'Add a device' }).click();
    const given = await ann.readInvitation();
    laptop = await Person.arrive(browser, 'Ann');
    await laptop.page.getByRole('button', { name: /^Join as another device/ }).click();
    await laptop.answer(given);
    await laptop.page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: /^Garden/ }).click();
    await laptop.cell('Written offline').waitFor();
    await ann.page.getByTestId('invitation-used').waitFor();
    await ann.page.getByRole('button', { name: 'Done' }).click();
    await expect.poll(() => ann.page.getByRole('main').getByRole('listitem').count(), soon).toBe(2);
    await laptop.addTask('From the laptop');
    await bob.cell('From the laptop').waitFor();
  });

  test('a removed member is told so, may write nothing, and gets nothing new', async () => {
    await ann.page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: /^Garden/ }).click();
    await ann.openTab('Members');
    const row = ann.page.getByRole('listitem').filter({ hasText: 'Bob' });
    await row.getByRole('button', { name: 'Remove' }).click();
    await row.getByRole('group', { name: 'Remove Bob?' }).getByRole('button', { name: 'Remove' }).click();
    await row.waitFor({ state: 'detached' });
    await bob.page.getByText('You were removed from this space.').waitFor();
    expect(await bob.page.getByRole('button', { name: /^New/ }).count()).toBe(0);
    await ann.openTab('Objects');
    await ann.addTask('Without Bob');
    await laptop.cell('Without Bob').waitFor();
    expect(await bob.cell('Without Bob').count()).toBe(0);
  });

  test('a space goes into a file under a passphrase, and comes back as a new one of whoever has that', async () => {
    const { page } = ann;
    await ann.openTab('Settings');
    const card = page.getByRole('region', { name: 'Archive' });
    await card.getByLabel('Passphrase').fill('correct horse');
    const [download] = await Promise.all([page.waitForEvent('download'), card.getByRole('button', { name: 'Export archive' }).click()]);
    expect(download.suggestedFilename()).toBe('Garden.dxarchive');
    const file = await download.path();
    await bob.page.getByRole('link', { name: 'DXOS' }).click();
    await bob.page.getByRole('main').getByRole('button', { name: 'Restore' }).click();
    const dialog = bob.page.getByRole('dialog', { name: 'Restore an archive' });
    await dialog.getByLabel('Archive', { exact: true }).setInputFiles(file);
    await dialog.getByRole('button', { name: 'A new space' }).click();
    await dialog.getByLabel('Passphrase').fill('wrong');
    await dialog.getByRole('button', { name: 'Restore' }).click();
    await dialog.getByText(/wrong passphrase/).waitFor();
    await dialog.getByLabel('Passphrase').fill('correct horse');
    await dialog.getByRole('button', { name: 'Restore' }).click();
    await dialog.waitFor({ state: 'detached' });
    await bob.cell('Without Bob').waitFor();
    await bob.addTask('In a space of my own');
  });

  test('a space is cut at an epoch, closed, opened and deleted on one device', async () => {
    const { page } = bob;
    const main = page.getByRole('main');
    await bob.openTab('Replication');
    await main.getByText('No other device yet').waitFor();
    await bob.openTab('Feeds');
    const epochs = main.getByRole('region', { name: 'Epochs' });
    await epochs.getByRole('button', { name: 'Create an epoch' }).click();
    await epochs.getByText('current', { exact: true }).waitFor();
    await epochs.getByRole('button', { name: 'Drop older blocks here' }).click();
    await epochs.getByRole('group', { name: /^Drop the history/ }).getByRole('button', { name: 'Drop older blocks here' }).click();
    await epochs.getByText('older blocks dropped').waitFor();
    await bob.openTab('Settings');
    const kept = main.getByRole('region', { name: 'On this device' });
    await kept.getByText(/\d+ in \d feeds/).waitFor();
    await kept.getByRole('button', { name: 'Close the space' }).click();
    await main.getByRole('heading', { name: 'This space is closed' }).waitFor();
    // The same for whoever loads the page anew.
    await page.reload();
    await main.getByRole('button', { name: 'Open the space' }).click();
    await bob.openTab('Objects');
    await bob.cell('In a space of my own').waitFor();
    await bob.addTask('After it was opened');
    await bob.openTab('Settings');
    await kept.getByRole('button', { name: 'Delete on this device' }).click();
    const asked = kept.getByRole('group', { name: /^Delete it from this device\? No other device is known/ });
    await asked.getByRole('button', { name: 'Keep' }).click();
    await kept.getByRole('button', { name: 'Delete on this device' }).click();
    await asked.getByRole('button', { name: 'Delete on this device' }).click();
    await main.getByRole('heading', { name: 'Spaces', level: 1 }).waitFor();
    // What is left is the space that Bob was removed from.
    await expect.poll(() => main.getByRole('listitem').count(), soon).toBe(1);
  });

  test('no page has complained of anything', () => {
    ann.expectNoComplaints();
    bob.expectNoComplaints();
    laptop.expectNoComplaints();
  });
});
