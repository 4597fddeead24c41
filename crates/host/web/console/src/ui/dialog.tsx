import { type FormEvent, type ReactNode, useEffect, useId, useRef } from 'react';
import { Button, IconButton } from './controls.js';

interface DialogProps {
  title: string;
  onClose: () => void;
  narrow?: boolean;
  children: ReactNode;
  foot?: ReactNode;
}

/** A dialog over the page. The browser keeps the focus in it, and Escape closes it. */
export function Dialog({ title, onClose, narrow, children, foot }: DialogProps) {
  const ref = useModal(onClose);
  const id = useId();
  return (
    <dialog ref={ref} className={`dialog ${narrow ? 'narrow' : ''}`} aria-labelledby={id}>
      <div className="dialog-head">
        <h2 id={id}>{title}</h2>
        <IconButton icon="close" label="Close" small onClick={onClose} />
      </div>
      <div className="dialog-body" tabIndex={-1}>
        {children}
      </div>
      {foot !== undefined && <div className="dialog-foot">{foot}</div>}
    </dialog>
  );
}

interface FormDialogProps extends Omit<DialogProps, 'foot'> {
  /** What it does, on the button that does it. */
  action: string;
  /** What that button says while it is done. */
  doing: string;
  busy: boolean;
  /** Whether something is still missing. */
  disabled?: boolean;
  onSubmit: () => void;
}

/** A dialog with a form, which Enter sends. What is wrong with it is said in words of this page. */
export function FormDialog({ action, doing, busy, disabled = false, onSubmit, children, ...dialog }: FormDialogProps) {
  const form = useId();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onSubmit();
  };
  const foot = (
    <>
      <Button kind="quiet" onClick={dialog.onClose}>
        Cancel
      </Button>
      <Button type="submit" form={form} kind="primary" disabled={busy || disabled}>
        {busy ? doing : action}
      </Button>
    </>
  );
  return (
    <Dialog {...dialog} foot={foot}>
      <form id={form} className="stack" noValidate onSubmit={submit}>
        {children}
      </form>
    </Dialog>
  );
}

/** Shows a dialog element for as long as it is there; a click beside it closes it, too. */
export function useModal(onClose: () => void) {
  const ref = useRef<HTMLDialogElement>(null);
  const close = useRef(onClose);
  close.current = onClose;
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog) return;
    if (!dialog.open) dialog.showModal();
    const first = dialog.querySelector<HTMLElement>('[data-autofocus]');
    first?.focus();
    const cancel = (event: Event) => {
      event.preventDefault();
      close.current();
    };
    const press = (event: MouseEvent) => {
      if (event.target !== dialog) return;
      const box = dialog.getBoundingClientRect();
      const inside =
        event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
      if (!inside) close.current();
    };
    dialog.addEventListener('cancel', cancel);
    dialog.addEventListener('mousedown', press);
    return () => {
      dialog.removeEventListener('cancel', cancel);
      dialog.removeEventListener('mousedown', press);
      dialog.close();
    };
  }, []);
  return ref;
}
