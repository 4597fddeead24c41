// @vitest-environment jsdom
/** The example application, as two people use it on two hosts. */
import { type BoundFunctions, cleanup, fireEvent, type queries, render, waitFor, within } from '@testing-library/react';
import { StrictMode } from 'react';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { App } from '../../../../examples/tasks/src/app.js';
import { Host } from '../../../client/test/support/host.js';

const patience = { timeout: 15_000 };
let hosts: Host[];
/** All connections that the application has made. */
const sockets: WebSocket[] = [];

beforeAll(async () => {
  globalThis.WebSocket = class extends WebSocket {
    constructor(url: string | URL) {
      super(url);
      sockets.push(this);
    }
  };
  const options = ['--allow-origin', window.location.origin];
  hosts = await Promise.all([Host.start(...options), Host.start(...options)]);
});

afterAll(async () => {
  cleanup();
  // A client that lost its host would make another connection, when there is no window any more.
  await waitFor(() => expect(sockets.every(({ readyState }) => readyState === WebSocket.CLOSED)).toBe(true), patience);
  await Promise.all((hosts ?? []).map((host) => host.remove()));
});

type Page = BoundFunctions<typeof queries>;

/** Opens the application of somebody, up to the list of tasks. */
async function open(host: Host, name: string): Promise<Page> {
  localStorage.removeItem('host');
  const { container } = render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
  const page = within(container);
  submit(page, /address/, host.url);
  await page.findByLabelText('Your name', {}, patience);
  submit(page, 'Your name', name);
  await page.findByRole('region', { name: 'Tasks' }, patience);
  return page;
}

function submit(page: Page, label: string | RegExp, text: string): void {
  const input = page.getByLabelText<HTMLInputElement>(label);
  fireEvent.change(input, { target: { value: text } });
  fireEvent.submit(input.form!);
}

it('makes a list, shares it, and shows what both do', async () => {
  const ann = await open(hosts[0]!, 'Ann');
  submit(ann, 'New task', 'Water the plants');
  expect(ann.getByLabelText('Water the plants')).toBeDefined();

  const bob = await open(hosts[1]!, 'Bob');
  fireEvent.click(ann.getByText('Invite somebody'));
  const invitation = await ann.findByTestId('invitation', {}, patience);
  const code = ann.getByTestId('code').textContent ?? '';
  submit(bob, 'Invitation', invitation.textContent ?? '');
  await bob.findByLabelText('Code', {}, patience);
  submit(bob, 'Code', code === '123456' ? '123457' : '123456');
  await bob.findByLabelText(/Wrong, 2 left/, {}, patience);
  submit(bob, /Wrong, 2 left/, code);

  const onBob = await bob.findByLabelText<HTMLInputElement>('Water the plants', {}, patience);
  fireEvent.click(onBob);
  expect(bob.getByLabelText<HTMLInputElement>('Water the plants').checked).toBe(true);
  await waitFor(() => expect(ann.getByLabelText<HTMLInputElement>('Water the plants').checked).toBe(true), patience);
  submit(bob, 'New task', 'Buy bread');
  await ann.findByLabelText('Buy bread', {}, patience);
  fireEvent.click(ann.getByLabelText('Remove Water the plants'));
  await waitFor(() => expect(bob.queryByLabelText('Water the plants')).toBeNull(), patience);
  await waitFor(() => expect(ann.getByText(/Ann, Bob|Bob, Ann/)).toBeDefined(), patience);
});
