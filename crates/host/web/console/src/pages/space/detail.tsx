import { lazy, Suspense, useMemo, useState } from 'react';
import { type EchoObject, type EchoValue, META, type ObjectOp, type Space } from '@dxos-rs/client';
import { infoOf, useSchemas } from '../../data/objects.js';
import { type FieldSpec, fieldsOf, plainField, schemaOf } from '../../data/schema.js';
import { useAction, useLoad, useStore } from '../../data/store.js';
import { pathPart, referenceOf, showValue } from '../../data/values.js';
import { href } from '../../router.js';
import { Ago, Badge, Button, ConfirmButton, IconButton, Input, Key } from '../../ui/controls.js';
import { labelOf, shortType } from '../../ui/format.js';
import { Changes } from './changes.js';
import { PropertyEditor } from './fields.js';

const TextView = lazy(() => import('./text.js').then((module) => ({ default: module.TextView })));

interface DetailProps {
  space: Space;
  id: string;
  mayWrite: boolean;
  onClose: () => void;
}

/** One object beside the table: its properties as a form, what is known of it, and its past. */
export function Detail({ space, id, mayWrite, onClose }: DetailProps) {
  const live = useMemo(() => space.db.object(id), [space, id]);
  const object = useStore(live);
  const loaded = useStore(live.loaded);
  return (
    <aside className="detail" aria-label="Object" onKeyDown={(event) => event.key === 'Escape' && !event.defaultPrevented && onClose()}>
      <div className="detail-head">
        <h2 className="truncate grow">{object ? titleOf(object) : loaded ? 'Not here' : '\u00a0'}</h2>
        <IconButton icon="close" label="Close the object" small onClick={onClose} />
      </div>
      {object ? (
        <Shown space={space} object={object} mayWrite={mayWrite} onClose={onClose} />
      ) : (
        loaded && <p className="soft detail-body">There is no such object in this space, or it was deleted.</p>
      )}
    </aside>
  );
}

function titleOf(object: EchoObject): string {
  const { properties, type } = infoOf(object);
  const title = properties.title ?? properties.name;
  return typeof title === 'string' && title !== '' ? title : shortType(type);
}

function Shown({ space, object, mayWrite, onClose }: { space: Space; object: EchoObject; mayWrite: boolean; onClose: () => void }) {
  const meta = object[META];
  const { info } = meta;
  const schemas = useSchemas(space);
  const schema = schemaOf(schemas, info.type)?.schema;
  const fields = useMemo(() => fieldsOf(schema, [info.properties]), [schema, info.properties]);
  const apply = (op: ObjectOp) => void space.db.apply([op]).catch(() => undefined);
  const commit = (field: FieldSpec) => (value: EchoValue | undefined) => {
    const path = pathPart(field.name);
    apply(value === undefined ? { op: 'unset', object: info.id, path } : { op: 'set', object: info.id, path, value });
  };
  return (
    <div className="detail-body stack loose">
      <div className="stack">
        {fields.map((field) => (
          <Property
            key={field.name}
            space={space}
            id={info.id}
            field={field}
            value={info.properties[field.name]}
            readOnly={!mayWrite || meta.deleted}
            onCommit={commit(field)}
            onCount={(by) => apply({ op: 'increment', object: info.id, path: pathPart(field.name), by })}
          />
        ))}
        {mayWrite && <AddProperty taken={fields.map((field) => field.name)} onAdd={(name, value) => commit(plainField(name, 'any'))(value)} />}
      </div>
      {meta.conflicts.length > 0 && <Conflicts space={space} object={object} mayWrite={mayWrite} />}
      <section className="stack">
        <h3>About</h3>
        <dl className="facts small">
          <dt>Type</dt>
          <dd className="mono" style={{ overflowWrap: 'anywhere' }}>
            {info.type}
          </dd>
          <dt>Id</dt>
          <dd>
            <Key value={info.id} what="Id" />
          </dd>
          <dt>Created</dt>
          <dd>{meta.created ? <Ago timeMs={meta.created.timeMs} /> : 'just now'}</dd>
          <dt>Changed</dt>
          <dd>
            {meta.updated ? <Ago timeMs={meta.updated.timeMs} /> : 'just now'} {meta.pending && <Badge tone="warn">being written</Badge>}
          </dd>
          <dt>Tags</dt>
          <dd>
            <Tags space={space} object={object} mayWrite={mayWrite} />
          </dd>
          {meta.parent !== undefined && (
            <>
              <dt>Parent</dt>
              <dd>
                <a href={href('space', space.key, 'objects', meta.parent)}>{meta.parent.slice(0, 8)}…</a>
              </dd>
            </>
          )}
          {meta.source !== undefined && meta.target !== undefined && (
            <>
              <dt>Relation</dt>
              <dd>
                <a href={href('space', space.key, 'objects', meta.source)}>{meta.source.slice(0, 8)}…</a> →{' '}
                <a href={href('space', space.key, 'objects', meta.target)}>{meta.target.slice(0, 8)}…</a>
              </dd>
            </>
          )}
        </dl>
      </section>
      <Past space={space} id={info.id} stamp={meta.updated?.lamport} />
      {mayWrite && (
        <div>
          <ConfirmButton
            small
            icon="remove"
            question="Delete this object?"
            onConfirm={() => {
              space.db.remove(info.id);
              onClose();
            }}
          >
            Delete
          </ConfirmButton>
        </div>
      )}
    </div>
  );
}

interface PropertyProps {
  space: Space;
  id: string;
  field: FieldSpec;
  value: EchoValue | undefined;
  readOnly: boolean;
  onCommit: (value: EchoValue | undefined) => void;
  onCount: (by: number) => void;
}

function Property({ space, id, field, value, readOnly, onCommit, onCount }: PropertyProps) {
  const inputId = `property-${field.name}`;
  const target = referenceOf(value);
  const text = field.kind === 'text';
  return (
    <div className="field">
      {text ? <span className="label">{field.label}</span> : <label htmlFor={inputId}>{field.label}</label>}
      {text && value !== undefined && value !== null ? (
        <Suspense fallback={<div className="text-box" />}>
          <TextView space={space} id={id} path={pathPart(field.name)} label={field.label} readOnly={readOnly} compact />
        </Suspense>
      ) : text ? (
        <div>
          <Button small disabled={readOnly} onClick={() => onCommit({ '@text': '' })}>
            Begin a text
          </Button>
        </div>
      ) : (
        <PropertyEditor field={field} value={value} id={inputId} readOnly={readOnly} onCommit={onCommit} onCount={onCount} />
      )}
      {target !== undefined && !target.includes(':') && (
        <a className="small" href={href('space', space.key, 'objects', target)}>
          Follow the reference
        </a>
      )}
    </div>
  );
}

function AddProperty({ taken, onAdd }: { taken: readonly string[]; onAdd: (name: string, value: EchoValue) => void }) {
  const [name, setName] = useState<string>();
  if (name === undefined) {
    return (
      <div>
        <Button small kind="quiet" icon="add" onClick={() => setName('')}>
          Add a property
        </Button>
      </div>
    );
  }
  const wrong = name.trim() === '' || taken.includes(name.trim());
  return (
    <form
      className="row"
      onSubmit={(event) => {
        event.preventDefault();
        if (wrong) return;
        onAdd(name.trim(), '');
        setName(undefined);
      }}
    >
      <Input autoFocus aria-label="Name of the property" placeholder="name" maxLength={100} value={name} onChange={(event) => setName(event.target.value)} />
      <Button small type="submit" disabled={wrong}>
        Add
      </Button>
    </form>
  );
}

function Tags({ space, object, mayWrite }: { space: Space; object: EchoObject; mayWrite: boolean }) {
  const { tags } = object[META];
  const [text, setText] = useState('');
  return (
    <span className="row wrap" style={{ gap: 4 }}>
      {tags.map((tag) => (
        <Badge key={tag}>
          {tag}
          {mayWrite && (
            <button type="button" className="tag-remove" aria-label={`Take the tag ${tag} off`} onClick={() => space.db.untag(object, tag)}>
              ×
            </button>
          )}
        </Badge>
      ))}
      {mayWrite && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (text.trim() !== '') space.db.tag(object, text.trim());
            setText('');
          }}
        >
          <input className="tag-input" aria-label="Add a tag" placeholder="add…" maxLength={60} value={text} onChange={(event) => setText(event.target.value)} />
        </form>
      )}
      {!mayWrite && tags.length === 0 && 'none'}
    </span>
  );
}

function Conflicts({ space, object, mayWrite }: { space: Space; object: EchoObject; mayWrite: boolean }) {
  const { info } = object[META];
  const { value } = useLoad(() => space.conflicts(info.id), [space, info.id, info.updated.lamport]);
  if (!value || value.length === 0) return null;
  return (
    <section className="stack">
      <h3>Written at the same time</h3>
      {value.map((conflict) => (
        <div key={conflict.path} className="note warn">
          <div className="grow stack tight">
            <strong className="small">{labelOf(conflict.path)}</strong>
            {conflict.losers.map((loser, at) => (
              <div key={at} className="row between">
                <span className="truncate">
                  {showValue(loser.value)} <span className="small">by {loser.author.displayName ?? loser.author.device.slice(0, 8)}</span>
                </span>
                {mayWrite && (
                  <Button small onClick={() => void space.db.apply([{ op: 'set', object: info.id, path: conflict.path, value: loser.value }]).catch(() => undefined)}>
                    Take this
                  </Button>
                )}
              </div>
            ))}
          </div>
        </div>
      ))}
    </section>
  );
}

function Past({ space, id, stamp }: { space: Space; id: string; stamp: number | undefined }) {
  const [open, setOpen] = useState(false);
  return (
    <details className="fold" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <h3>History</h3>
      </summary>
      {open && <PastList space={space} id={id} stamp={stamp} />}
    </details>
  );
}

function PastList({ space, id, stamp }: { space: Space; id: string; stamp: number | undefined }) {
  const { value } = useLoad(() => space.history({ object: id, limit: 50 }), [space, id, stamp]);
  const [busy, run] = useAction();
  return (
    <ol className="past">
      {(value?.entries ?? []).map((entry) => (
        <li key={entry.committed.hash}>
          <div className="row between">
            <span className="small">
              <strong style={{ fontWeight: 560 }}>{entry.author.displayName ?? entry.author.device.slice(0, 8)}</strong>{' '}
              <span className="faint">
                <Ago timeMs={entry.timeMs} />
              </span>
            </span>
            <IconButton icon="undo" label="Undo this change" small disabled={busy} onClick={() => void run(() => space.undo(entry.committed, { any: true }), 'Undone')} />
          </div>
          <Changes changes={entry.changes.filter((change) => change.object === id)} />
        </li>
      ))}
    </ol>
  );
}
