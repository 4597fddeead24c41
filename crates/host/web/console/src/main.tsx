import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Client } from '@dxos-rs/client';
import { App } from './app.js';
import { ClientContext } from './data/client.js';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/overlay.css';
import './styles/shell.css';
import './styles/pages.css';
import './styles/care.css';
import './styles/found.css';

const root = document.getElementById('root');
if (!root) throw new Error('the page has no root');

const client = new Client();
// What goes wrong shows by the state of the connection, which the page follows.
client.initialize().catch(() => undefined);

createRoot(root).render(
  <StrictMode>
    <ClientContext value={client}>
      <App />
    </ClientContext>
  </StrictMode>,
);
