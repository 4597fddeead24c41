import { useClient } from './data/client.js';
import { useStore } from './data/store.js';
import { Closed, Incompatible, Locked, Replaced, SignIn, Waiting } from './pages/gate.js';
import { Welcome } from './pages/welcome.js';
import { Shell } from './shell/shell.js';
import { Toasts } from './ui/toast.js';

/** The console: a gate until there is an identity, and then the shell with its pages. */
export function App() {
  return (
    <>
      <Gate />
      <Toasts />
    </>
  );
}

function Gate() {
  const client = useClient();
  const connection = useStore(client.connection);
  const status = useStore(client.status);
  const identity = useStore(client.halo.identity);
  switch (connection) {
    case 'unauthenticated':
      return <SignIn />;
    case 'replaced':
      return <Replaced />;
    case 'incompatible':
      return <Incompatible />;
    case 'closed':
      return <Closed />;
    case 'idle':
    case 'connecting':
    case 'waiting':
    case 'connected':
      break;
  }
  if (status === 'locked') return <Locked />;
  if (identity) return <Shell identity={identity} connected={connection === 'connected'} />;
  if (identity === null) return <Welcome />;
  return <Waiting silent={connection === 'waiting'} />;
}
