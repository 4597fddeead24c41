import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import type { EchoValue } from '@dxos-rs/client';
import { type FieldSpec, problemOf } from '../../data/schema.js';
import { kindOf, showValue, textOf, timeFromInput, timeOf, timeToInput } from '../../data/values.js';
import { Button, IconButton } from '../../ui/controls.js';

/** What the editor of one property is given. */
export interface EditorProps {
  field: FieldSpec;
  value: EchoValue | undefined;
  /** Takes the new value; undefined takes the property out. */
  onCommit: (value: EchoValue | undefined) => void;
  /** Of a counter: counts. */
  onCount?: (by: number) => void;
  readOnly?: boolean;
  autoFocus?: boolean;
  id?: string;
  'aria-label'?: string;
  'aria-describedby'?: string | undefined;
  onEscape?: () => void;
}

/** How a property is edited: by what its schema says, or else by what it is. */
export function PropertyEditor(props: EditorProps) {
  const { field, value } = props;
  const kind = field.kind === 'any' ? (kindOf(value) === 'nothing' ? 'string' : kindOf(value)) : field.kind;
  switch (kind) {
    case 'flag':
      return <FlagEditor {...props} />;
    case 'choice':
      return <ChoiceEditor {...props} />;
    case 'counter':
      return <CounterEditor {...props} />;
    case 'string':
    case 'nothing':
      return <LineEditor {...props} type="text" show={showValue} read={(text) => text} />;
    case 'number':
      return <LineEditor {...props} type="number" show={showValue} read={readNumber} />;
    case 'time':
      return (
        <LineEditor {...props} type="datetime-local" show={(time) => timeToInput(timeOf(time))} read={(text) => timeFromInput(text)} />
      );
    case 'reference':
      return (
        <LineEditor
          {...props}
          type="text"
          show={(reference) => (kindOf(reference) === 'reference' ? String(Object.values(reference as object)[0]) : '')}
          read={(text) => ({ '@ref': text.trim() })}
        />
      );
    case 'text':
      return <PlainTextEditor {...props} />;
    default:
      return <JsonEditor {...props} />;
  }
}

function readNumber(text: string): EchoValue | undefined {
  const number = Number(text);
  return Number.isFinite(number) ? number : undefined;
}

function FlagEditor({ field, value, onCommit, readOnly, id, ...rest }: EditorProps) {
  return (
    <input
      type="checkbox"
      className="checkbox"
      id={id}
      checked={value === true}
      disabled={readOnly}
      autoFocus={rest.autoFocus}
      aria-label={rest['aria-label']}
      aria-describedby={rest['aria-describedby']}
      name={field.name}
      onChange={(event) => onCommit(event.target.checked)}
    />
  );
}

function ChoiceEditor({ field, value, onCommit, readOnly, id, onEscape, ...rest }: EditorProps) {
  const known = field.choices.some((choice) => choice === value);
  return (
    <select
      className="select"
      id={id}
      disabled={readOnly}
      autoFocus={rest.autoFocus}
      aria-label={rest['aria-label']}
      aria-describedby={rest['aria-describedby']}
      value={value === undefined || value === null ? '' : showValue(value)}
      onKeyDown={(event) => event.key === 'Escape' && onEscape?.()}
      onChange={(event) => onCommit(field.choices.find((choice) => showValue(choice) === event.target.value))}
    >
      <option value="">{field.required ? 'Choose…' : '–'}</option>
      {!known && value != null && <option>{showValue(value)}</option>}
      {field.choices.map((choice) => (
        <option key={showValue(choice)}>{showValue(choice)}</option>
      ))}
    </select>
  );
}

function CounterEditor({ field, value, onCount, onCommit, readOnly }: EditorProps) {
  const shown = kindOf(value) === 'counter' ? Number(showValue(value)) : 0;
  const count = (by: number) => (onCount && kindOf(value) === 'counter' ? onCount(by) : onCommit({ '@counter': shown + by }));
  return (
    <span className="row">
      <Button small disabled={readOnly} aria-label={`${field.label}: one less`} onClick={() => count(-1)}>
        −
      </Button>
      <output style={{ minWidth: 40, textAlign: 'center' }}>{shown}</output>
      <Button small disabled={readOnly} aria-label={`${field.label}: one more`} onClick={() => count(1)}>
        +
      </Button>
    </span>
  );
}

interface LineProps extends EditorProps {
  type: 'text' | 'number' | 'datetime-local';
  show: (value: EchoValue | undefined) => string;
  read: (text: string) => EchoValue | undefined;
}

/** A line whose text is kept until it is left; meanwhile changes of others do not disturb it. */
function LineEditor({ field, value, onCommit, readOnly, id, onEscape, type, show, read, ...rest }: LineProps) {
  const shown = show(value);
  const [text, setText] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const note = useId();
  const given = useRef(false);
  const commit = () => {
    if (text === undefined || given.current) return;
    if (text === shown) {
      setText(undefined);
      setProblem(undefined);
      return;
    }
    const next = text.trim() === '' && type !== 'text' ? undefined : read(text);
    const wrong = problemOf(field, text === '' ? undefined : next);
    setProblem(wrong);
    if (wrong !== undefined) return;
    setText(undefined);
    onCommit(text === '' ? undefined : next);
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === 'Enter') {
      event.preventDefault();
      commit();
    } else if (event.key === 'Escape' && (text !== undefined || onEscape)) {
      event.stopPropagation();
      event.preventDefault();
      given.current = onEscape !== undefined;
      setText(undefined);
      setProblem(undefined);
      onEscape?.();
    }
  };
  return (
    <>
      <input
        className={`input ${field.kind === 'reference' ? 'mono' : ''}`}
        type={type}
        step={type === 'number' ? 'any' : undefined}
        id={id}
        readOnly={readOnly}
        autoFocus={rest.autoFocus}
        autoComplete="off"
        aria-label={rest['aria-label']}
        aria-invalid={problem !== undefined || undefined}
        aria-describedby={problem === undefined ? rest['aria-describedby'] : note}
        value={text ?? shown}
        onChange={(event) => setText(event.target.value)}
        onBlur={commit}
        onKeyDown={press}
      />
      {problem !== undefined && (
        <span className="error" id={note} role="alert">
          {problem}
        </span>
      )}
    </>
  );
}

/** A text before its object is there; afterwards it has an editor of its own. */
function PlainTextEditor({ value, onCommit, readOnly, id, ...rest }: EditorProps) {
  const [text, setText] = useState(textOf(value));
  return (
    <textarea
      className="textarea"
      id={id}
      rows={4}
      readOnly={readOnly}
      autoFocus={rest.autoFocus}
      aria-label={rest['aria-label']}
      aria-describedby={rest['aria-describedby']}
      value={text}
      onChange={(event) => {
        setText(event.target.value);
        onCommit({ '@text': event.target.value });
      }}
    />
  );
}

/** Lists, maps and the like, as the protocol writes them. */
function JsonEditor({ value, onCommit, readOnly, id, field, ...rest }: EditorProps) {
  const shown = value === undefined ? '' : JSON.stringify(value, null, 2);
  const [text, setText] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const note = useId();
  useEffect(() => {
    if (text === undefined) setProblem(undefined);
  }, [text]);
  const commit = () => {
    if (text === undefined || text === shown) return setText(undefined);
    if (text.trim() === '') {
      setText(undefined);
      return onCommit(undefined);
    }
    try {
      onCommit(JSON.parse(text) as EchoValue);
      setText(undefined);
    } catch {
      setProblem('This is no JSON.');
    }
  };
  return (
    <div className="stack tight">
      <textarea
        className="textarea mono"
        id={id}
        rows={Math.min(8, Math.max(2, shown.split('\n').length))}
        readOnly={readOnly}
        spellCheck={false}
        aria-label={rest['aria-label']}
        aria-invalid={problem !== undefined || undefined}
        aria-describedby={problem === undefined ? rest['aria-describedby'] : note}
        value={text ?? shown}
        onChange={(event) => setText(event.target.value)}
        onBlur={commit}
      />
      {problem !== undefined && (
        <span className="row between">
          <span className="error" id={note} role="alert">
            {problem}
          </span>
          <IconButton icon="undo" label={`Give up the edit of ${field.label}`} small onClick={() => setText(undefined)} />
        </span>
      )}
    </div>
  );
}
