import { useState } from 'react';
import type { Json, SchemaInfo, Space } from '@dxos-rs/client';
import { useSchemas } from '../../data/objects.js';
import { fieldsOfSchema } from '../../data/schema.js';
import { asError, useAction } from '../../data/store.js';
import { Badge, Button, Field, Input } from '../../ui/controls.js';
import { Dialog } from '../../ui/dialog.js';
import { shortType } from '../../ui/format.js';

/** The schemas of a space: which types it knows, and what their objects have to be like. */
export function Schemas({ space, mayWrite }: { space: Space; mayWrite: boolean }) {
  const schemas = useSchemas(space);
  const [edited, setEdited] = useState<SchemaInfo>();
  return (
    <section className="card" aria-labelledby="schemas-title">
      <div className="card-head">
        <h2 id="schemas-title">Schemas</h2>
        {mayWrite && (
          <Button small icon="add" onClick={() => setEdited({ type: '', schema: EXAMPLE })}>
            Add
          </Button>
        )}
      </div>
      {schemas.length === 0 ? (
        <p className="card-body soft">None yet. Objects may have any properties until their type has a schema.</p>
      ) : (
        <ul className="list">
          {schemas.map((schema) => (
            <li key={schema.type}>
              <div className="grow">
                <strong style={{ fontWeight: 560 }}>{shortType(schema.type)}</strong>
                <span className="small faint mono truncate" style={{ display: 'block' }}>
                  {schema.type}
                </span>
              </div>
              <span className="row wrap optional" style={{ gap: 4, justifyContent: 'flex-end' }}>
                {fieldsOfSchema(schema.schema)
                  .slice(0, 6)
                  .map((field) => (
                    <Badge key={field.name}>{field.name}</Badge>
                  ))}
              </span>
              <Button small onClick={() => setEdited(schema)}>
                {mayWrite ? 'Edit' : 'Show'}
              </Button>
            </li>
          ))}
        </ul>
      )}
      {edited && <SchemaDialog space={space} schema={edited} mayWrite={mayWrite} onClose={() => setEdited(undefined)} />}
    </section>
  );
}

const EXAMPLE: Json = {
  type: 'object',
  properties: { title: { type: 'string' }, done: { type: 'boolean' } },
  required: ['title'],
};

function SchemaDialog({ space, schema, mayWrite, onClose }: { space: Space; schema: SchemaInfo; mayWrite: boolean; onClose: () => void }) {
  const [type, setType] = useState(schema.type);
  const [text, setText] = useState(() => JSON.stringify(schema.schema, null, 2));
  const [problem, setProblem] = useState<string>();
  const [busy, run] = useAction();
  const save = async () => {
    let json: Json;
    try {
      json = JSON.parse(text) as Json;
    } catch (error) {
      return setProblem(`This is no JSON: ${asError(error).message}`);
    }
    setProblem(undefined);
    const saved = await run(async () => {
      await space.putSchema(type.trim(), json);
      return true;
    }, 'The schema holds from now on');
    if (saved) onClose();
  };
  return (
    <Dialog
      title={schema.type === '' ? 'Add a schema' : shortType(schema.type)}
      onClose={onClose}
      foot={
        mayWrite && (
          <>
            <Button kind="quiet" onClick={onClose}>
              Cancel
            </Button>
            <Button kind="primary" disabled={busy || type.trim() === ''} onClick={() => void save()}>
              Save
            </Button>
          </>
        )
      }
    >
      <Field label="Type, with its version">
        {(ids) => (
          <Input
            {...ids}
            className="mono"
            readOnly={schema.type !== '' || !mayWrite}
            placeholder="example.com/type/Recipe@0.1.0"
            value={type}
            onChange={(event) => setType(event.target.value)}
          />
        )}
      </Field>
      <Field label="JSON Schema" hint="Draft 2020-12. It is checked where something is written here, not what others wrote." error={problem}>
        {(ids) => (
          <textarea {...ids} className="textarea mono" rows={14} spellCheck={false} readOnly={!mayWrite} value={text} onChange={(event) => setText(event.target.value)} />
        )}
      </Field>
    </Dialog>
  );
}
