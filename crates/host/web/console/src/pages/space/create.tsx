import { useMemo, useState } from 'react';
import type { EchoProperties, EchoValue, Space } from '@dxos-rs/client';
import { useSchemas } from '../../data/objects.js';
import { fieldsOfSchema, plainField, problemOf, schemaOf, STARTERS } from '../../data/schema.js';
import { useAction } from '../../data/store.js';
import { Field, Input, Select } from '../../ui/controls.js';
import { FormDialog } from '../../ui/dialog.js';
import { shortType } from '../../ui/format.js';
import { PropertyEditor } from './fields.js';

const OTHER = '+';

interface CreateProps {
  space: Space;
  /** The types that objects of the space have. */
  types: readonly string[];
  /** The type that shows, empty for all. */
  type: string;
  onClose: () => void;
  onCreated: (id: string) => void;
}

/** Makes an object: by the form of its schema, or with a first property of any name. */
export function CreateObjectDialog({ space, types, type: shown, onClose, onCreated }: CreateProps) {
  const schemas = useSchemas(space);
  const [chosen, setChosen] = useState<string>();
  const [typed, setTyped] = useState('');
  const [values, setValues] = useState<EchoProperties>({});
  const [tried, setTried] = useState(false);
  const [busy, run] = useAction();
  const offered = useMemo(() => {
    const known = new Set([...schemas.map((schema) => schema.type), ...types]);
    return [...known].sort((one, other) => shortType(one).localeCompare(shortType(other)));
  }, [schemas, types]);
  const starters = STARTERS.filter((starter) => !offered.includes(starter.type));
  const first = shown !== '' ? shown : (schemas[0]?.type ?? offered[0] ?? starters[0]?.type ?? OTHER);
  const type = chosen ?? first;
  const starter = starters.find((one) => one.type === type);
  const schema = starter ?? schemaOf(schemas, type);
  const fields = useMemo(
    () => (schema ? fieldsOfSchema(schema.schema) : [plainField('title', 'string'), plainField('notes', 'text')]),
    [schema],
  );
  const typeProblem = type === OTHER && typed.trim() === '' ? 'This is needed.' : undefined;
  const problems = new Map(fields.map((field) => [field.name, problemOf(field, values[field.name])]));
  const submit = async () => {
    setTried(true);
    if (typeProblem !== undefined || [...problems.values()].some((problem) => problem !== undefined)) return;
    const properties = Object.fromEntries(fields.filter((field) => values[field.name] != null).map((field) => [field.name, values[field.name] as EchoValue]));
    const created = await run(async () => {
      if (starter) await space.putSchema(starter.type, starter.schema);
      const applied = await space.db.apply([{ op: 'create', type: type === OTHER ? typed.trim() : type, properties }]);
      return applied.created[0];
    });
    if (created === undefined) return;
    onClose();
    onCreated(created);
  };
  return (
    <FormDialog
      title="New object"
      action="Create object"
      doing="Creating…"
      busy={busy}
      onSubmit={() => void submit()}
      onClose={onClose}
    >
      <Field label="Type">
        {(ids) => (
          <Select
            {...ids}
            value={type}
            onChange={(event) => {
              setChosen(event.target.value);
              setValues({});
              setTried(false);
            }}
          >
            {offered.map((one) => (
              <option key={one} value={one}>
                {shortType(one)}
              </option>
            ))}
            {starters.map((one) => (
              <option key={one.type} value={one.type}>
                {shortType(one.type)}
              </option>
            ))}
            <option value={OTHER}>Another type…</option>
          </Select>
        )}
      </Field>
      {type === OTHER && (
        <Field label="Name of the type" hint="Such as example.com/type/Recipe@0.1.0" error={tried ? typeProblem : undefined}>
          {(ids) => <Input {...ids} className="mono" maxLength={200} value={typed} onChange={(event) => setTyped(event.target.value)} />}
        </Field>
      )}
      {fields.map((field, at) => (
        <Field
          key={`${type} ${field.name}`}
          label={field.required ? `${field.label} (needed)` : field.label}
          hint={field.hint}
          error={tried ? problems.get(field.name) : undefined}
        >
          {(ids) => (
            <Draft
              {...ids}
              field={field}
              value={values[field.name]}
              autoFocus={at === 0}
              onChange={(value) => setValues((before) => ({ ...before, [field.name]: value ?? null }))}
            />
          )}
        </Field>
      ))}
    </FormDialog>
  );
}

interface DraftProps {
  id: string;
  'aria-describedby': string | undefined;
  field: ReturnType<typeof plainField>;
  value: EchoValue | undefined;
  autoFocus: boolean;
  onChange: (value: EchoValue | undefined) => void;
}

/** A property of an object that is not there yet: lines are taken in with every key, so that Enter finds them. */
function Draft({ field, value, onChange, ...ids }: DraftProps) {
  if (field.kind === 'string') {
    return <Input {...ids} maxLength={field.maxLength} value={typeof value === 'string' ? value : ''} onChange={(event) => onChange(event.target.value || undefined)} />;
  }
  return <PropertyEditor {...ids} field={field} value={value} onCommit={onChange} />;
}
