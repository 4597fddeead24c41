import { type FormEvent, useEffect, useRef, useState } from 'react';
import type { GuestInvitation, InvitationResult, InvitationState } from '@dxos-rs/client';
import { asError, useStore } from '../data/store.js';
import { Button, Field, Input, Note } from '../ui/controls.js';

const SAID: Record<InvitationState, string> = {
  init: 'Reading the invitation…',
  connecting: 'Looking for whoever invites…',
  connected: 'Connected…',
  'ready-for-authentication': 'Waiting for the code',
  authenticating: 'Checking the code…',
  success: 'Joined',
  cancelled: 'The invitation was cancelled.',
  timeout: 'The invitation took too long.',
  error: 'The invitation failed.',
  expired: 'The invitation has expired.',
};

interface JoinStepsProps {
  /** Begins to join. */
  accept: (code: string) => GuestInvitation;
  onCancel: () => void;
  cancelLabel?: string;
  onDone?: (result: InvitationResult) => void;
  /** A code that is there already, as from a link. */
  code?: string | undefined;
}

/** The guest's side of an invitation: its text, then six digits, then the end. */
export function JoinSteps({ accept, onCancel, cancelLabel = 'Cancel', onDone, code }: JoinStepsProps) {
  const [text, setText] = useState(code ?? '');
  const [error, setError] = useState<string>();
  const [invitation, setInvitation] = useState<GuestInvitation>();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setError(undefined);
    try {
      setInvitation(accept(text.trim()));
    } catch (failure) {
      setError(asError(failure).message);
    }
  };
  if (invitation) {
    return (
      <Following
        invitation={invitation}
        onCancel={() => {
          void invitation.cancel().catch(() => undefined);
          onCancel();
        }}
        onAgain={() => setInvitation(undefined)}
        onDone={onDone}
      />
    );
  }
  return (
    <form className="stack" onSubmit={submit}>
      <Field label="Invitation" hint="The text or link that you were given." error={error}>
        {(ids) => (
          <textarea
            {...ids}
            className="textarea mono"
            rows={3}
            autoFocus
            spellCheck={false}
            value={text}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && !event.shiftKey && text.trim() !== '') submit(event);
            }}
          />
        )}
      </Field>
      <div className="row between">
        <Button kind="quiet" icon={cancelLabel === 'Back' ? 'back' : undefined} onClick={onCancel}>
          {cancelLabel}
        </Button>
        <Button type="submit" kind="primary" disabled={text.trim() === ''}>
          Continue
        </Button>
      </div>
    </form>
  );
}

interface FollowingProps {
  invitation: GuestInvitation;
  onCancel: () => void;
  onAgain: () => void;
  onDone: ((result: InvitationResult) => void) | undefined;
}

function Following({ invitation, onCancel, onAgain, onDone }: FollowingProps) {
  const status = useStore(invitation.status);
  const done = useRef(onDone);
  done.current = onDone;
  useEffect(() => {
    if (status.result) done.current?.(status.result);
  }, [status.result]);
  if (status.ended && status.state !== 'success') {
    return (
      <div className="stack">
        <Note tone="bad" icon="warning">
          {status.error?.message ?? SAID[status.state]}
        </Note>
        <div className="row between">
          <Button kind="quiet" onClick={onCancel}>
            Close
          </Button>
          <Button onClick={onAgain}>Try again</Button>
        </div>
      </div>
    );
  }
  const asksCode = status.state === 'ready-for-authentication' || status.state === 'authenticating';
  return (
    <div className="stack">
      {status.target !== undefined && (
        <p>
          Invitation to <strong>{status.target}</strong>
        </p>
      )}
      <p className="soft" role="status">
        {SAID[status.state]}
      </p>
      {asksCode ? (
        <CodeForm invitation={invitation} onCancel={onCancel} />
      ) : (
        <>
          <div className="busy-line" aria-hidden="true" />
          <div className="row">
            <Button kind="quiet" onClick={onCancel}>
              Cancel
            </Button>
          </div>
        </>
      )}
    </div>
  );
}

function CodeForm({ invitation, onCancel }: { invitation: GuestInvitation; onCancel: () => void }) {
  const status = useStore(invitation.status);
  const [code, setCode] = useState('');
  const [failure, setFailure] = useState<string>();
  const busy = status.state === 'authenticating';
  const attempt = async (digits: string) => {
    setFailure(undefined);
    try {
      if (!(await invitation.authenticate(digits))) setCode('');
    } catch (error) {
      setFailure(asError(error).message);
    }
  };
  const left = status.attemptsLeft;
  const wrong =
    left === undefined || busy ? undefined : `That was not the code. ${left === 1 ? 'One try is' : `${left} tries are`} left.`;
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void attempt(code);
      }}
    >
      <Field label="Six digits" hint="Whoever invites you sees them, and tells you." error={failure ?? wrong}>
        {(ids) => (
          <Input
            {...ids}
            className="code"
            inputMode="numeric"
            pattern="[0-9]*"
            maxLength={6}
            autoFocus
            autoComplete="one-time-code"
            readOnly={busy}
            value={code}
            onChange={(event) => {
              const digits = event.target.value.replace(/\D/g, '').slice(0, 6);
              setCode(digits);
              if (digits.length === 6) void attempt(digits);
            }}
          />
        )}
      </Field>
      <div className="row between">
        <Button kind="quiet" onClick={onCancel}>
          Cancel
        </Button>
        <Button type="submit" kind="primary" disabled={busy || code.length !== 6}>
          {busy ? 'Checking…' : 'Join'}
        </Button>
      </div>
    </form>
  );
}
