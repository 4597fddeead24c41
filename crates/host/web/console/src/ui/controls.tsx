import {
  type ButtonHTMLAttributes,
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  useId,
  useState,
} from 'react';
import { formatAgo, formatMoment, hueOf, shortKey } from './format.js';
import { Icon, type IconName } from './icon.js';
import { useNow } from './now.js';
import { toast } from './toast.js';

type Tone = 'neutral' | 'accent' | 'good' | 'warn' | 'bad';

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: 'primary' | 'quiet' | 'danger' | 'danger primary';
  small?: boolean;
  icon?: IconName | undefined;
}

/** A button with a word on it. */
export function Button({ kind, small, icon, className, children, type = 'button', ...rest }: ButtonProps) {
  const classes = ['button', kind, small && 'small', className].filter(Boolean).join(' ');
  return (
    <button {...rest} type={type} className={classes}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

interface IconButtonProps extends Omit<ButtonProps, 'children'> {
  icon: IconName;
  label: string;
}

/** A button with a picture only; `label` is its name for everybody who does not see it. */
export function IconButton({ icon, label, kind = 'quiet', small, className, ...rest }: IconButtonProps) {
  const classes = ['button', 'icon', kind, small && 'small', className].filter(Boolean).join(' ');
  return (
    <button type="button" {...rest} className={classes} aria-label={label} title={label}>
      <Icon name={icon} />
    </button>
  );
}

interface FieldProps {
  label: string;
  hint?: ReactNode;
  error?: string | undefined;
  children: (ids: { id: string; 'aria-describedby': string | undefined; 'aria-invalid': true | undefined }) => ReactNode;
}

/** A label, what it labels, and what there is to say of it. */
export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  const note = error !== undefined ? `${id}-error` : hint !== undefined ? `${id}-hint` : undefined;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, 'aria-describedby': note, 'aria-invalid': error === undefined ? undefined : true })}
      {error !== undefined ? (
        <span className="error" id={note} role="alert">
          {error}
        </span>
      ) : (
        hint !== undefined && (
          <span className="hint" id={note}>
            {hint}
          </span>
        )
      )}
    </div>
  );
}

/** A line to type into. */
export function Input({ className, ...rest }: InputHTMLAttributes<HTMLInputElement>) {
  return <input autoComplete="off" spellCheck={false} {...rest} className={['input', className].filter(Boolean).join(' ')} />;
}

/** A choice of few. */
export function Select({ className, ...rest }: SelectHTMLAttributes<HTMLSelectElement>) {
  return <select {...rest} className={['select', className].filter(Boolean).join(' ')} />;
}

/** A word on a coloured ground. */
export function Badge({ tone = 'neutral', children }: { tone?: Tone; children: ReactNode }) {
  return <span className={`badge ${tone}`}>{children}</span>;
}

/** A coloured dot; what it means is said in words beside it, or in `label`. */
export function Dot({ tone = 'neutral', label }: { tone?: Tone; label?: string }) {
  return label === undefined ? (
    <span className={`dot ${tone}`} aria-hidden="true" />
  ) : (
    <span className={`dot ${tone}`} role="img" aria-label={label} title={label} />
  );
}

interface AvatarProps {
  name: string | null | undefined;
  id: string;
  online?: boolean;
  large?: boolean;
  square?: boolean;
}

/** The first letter of a name on a colour that belongs to its key. */
export function Avatar({ name, id, online, large, square }: AvatarProps) {
  const letter = Array.from(name?.trim() ?? '')[0]?.toUpperCase() ?? '?';
  const style = { '--hue': hueOf(id) } as React.CSSProperties;
  return (
    <span className={['avatar', large && 'large', square && 'square'].filter(Boolean).join(' ')} style={style} aria-hidden="true">
      {letter}
      {online !== undefined && <Dot tone={online ? 'good' : 'neutral'} />}
    </span>
  );
}

/** Copies something, and says so. */
export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied`);
  } catch {
    toast('the browser does not let this page copy: select the text and copy it by hand', 'bad');
  }
}

/** The beginning of a key, with a button that copies all of it. */
export function Key({ value, what = 'Key', full = false }: { value: string; what?: string; full?: boolean }) {
  return (
    <span className={full ? 'key full' : 'key'}>
      <span className={full ? 'truncate' : ''} title={value}>
        {full ? value : shortKey(value)}
      </span>
      <IconButton icon="copy" label={`Copy ${what.toLowerCase()} ${value.slice(0, 8)}`} small onClick={() => void copy(value, what)} />
    </span>
  );
}

/** How long ago something was; kept up to date. */
export function Ago({ timeMs }: { timeMs: number }) {
  const now = useNow();
  return (
    <time dateTime={Math.abs(timeMs) <= 8.64e15 ? new Date(timeMs).toISOString() : undefined} title={formatMoment(timeMs)}>
      {formatAgo(timeMs, now)}
    </time>
  );
}

interface EmptyProps {
  icon: IconName;
  title: string;
  children?: ReactNode;
  actions?: ReactNode;
}

/** What shows where there is nothing yet: what would be here, and how it comes to be. */
export function Empty({ icon, title, children, actions }: EmptyProps) {
  return (
    <div className="empty">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children !== undefined && <p>{children}</p>}
      {actions !== undefined && <div className="row wrap">{actions}</div>}
    </div>
  );
}

interface SegmentsProps<T extends string> {
  label: string;
  value: T;
  options: ReadonlyArray<{ value: T; label: string; icon?: IconName }>;
  onChange: (value: T) => void;
}

/** A choice of few that are all in view. */
export function Segments<T extends string>({ label, value, options, onChange }: SegmentsProps<T>) {
  return (
    <div className="segmented" role="group" aria-label={label}>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          aria-pressed={option.value === value}
          aria-label={option.icon ? option.label : undefined}
          title={option.icon ? option.label : undefined}
          onClick={() => onChange(option.value)}
        >
          {option.icon ? <Icon name={option.icon} /> : option.label}
        </button>
      ))}
    </div>
  );
}

/** A figure with its name. */
export function Figure({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="figure">
      <span className="faint small">{label}</span>
      <span className="value">{children}</span>
    </div>
  );
}

/** A remark that stands out. */
export function Note({ tone, icon, children }: { tone?: Tone; icon?: IconName; children: ReactNode }) {
  return (
    <div className={`note ${tone ?? ''}`} role={tone === 'bad' ? 'alert' : undefined}>
      {icon && <Icon name={icon} />}
      <div className="grow">{children}</div>
    </div>
  );
}

/** A button that asks once more before it does something that cannot be taken back. */
export function ConfirmButton({ question, onConfirm, children, ...rest }: ButtonProps & { question: string; onConfirm: () => void }) {
  const [asked, setAsked] = useState(false);
  if (!asked) {
    return (
      <Button {...rest} kind={rest.kind ?? 'danger'} onClick={() => setAsked(true)}>
        {children}
      </Button>
    );
  }
  return (
    <span className="row wrap" role="group" aria-label={question} onKeyDown={(event) => event.key === 'Escape' && setAsked(false)}>
      <span className="small">{question}</span>
      <Button
        {...rest}
        kind="danger primary"
        autoFocus
        onClick={() => {
          setAsked(false);
          onConfirm();
        }}
      >
        {children}
      </Button>
      <Button {...rest} kind="quiet" icon={undefined} onClick={() => setAsked(false)}>
        Keep
      </Button>
    </span>
  );
}
