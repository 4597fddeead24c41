import { useMemo, useState } from 'react';
import type { Space } from '@dxos-rs/client';
import { useObjects } from '../../data/objects.js';
import { filterRows, type Row, rowsOf } from '../../data/rows.js';
import { DOCUMENT, plainField, STARTERS } from '../../data/schema.js';
import { useAction } from '../../data/store.js';
import { href, navigate } from '../../router.js';
import { Ago, Button, ConfirmButton, Empty, IconButton } from '../../ui/controls.js';
import { plural } from '../../ui/format.js';
import { textOf } from '../../data/values.js';
import { PropertyEditor } from './fields.js';
import { Filter } from './filter.js';
import { TextView } from './text.js';

interface DocumentsProps {
  space: Space;
  item: string | undefined;
  mayWrite: boolean;
}

const titleOf = (row: Row) => (typeof row.properties.title === 'string' && row.properties.title !== '' ? row.properties.title : 'Untitled');

/** The documents of a space: a list, and the one that is being read or written. */
export function Documents({ space, item, mayWrite }: DocumentsProps) {
  const { objects, loaded } = useObjects(space, { type: DOCUMENT.split('@')[0] ?? DOCUMENT });
  const [filter, setFilter] = useState('');
  const [busy, run] = useAction();
  const documents = useMemo(() => rowsOf(objects).sort((one, other) => other.updatedMs - one.updatedMs || one.id.localeCompare(other.id)), [objects]);
  const shown = filterRows(documents, filter);
  const current = documents.find((row) => row.id === item);
  const create = () =>
    void run(async () => {
      const schema = STARTERS.find((starter) => starter.type === DOCUMENT)?.schema;
      const schemas = await space.schemas();
      if (schema !== undefined && !schemas.some((known) => known.type === DOCUMENT)) await space.putSchema(DOCUMENT, schema);
      const properties = { title: 'Untitled', content: { '@text': '' } };
      const { created } = await space.db.apply([{ op: 'create', type: DOCUMENT, properties }]);
      if (created[0] !== undefined) navigate(href('space', space.key, 'documents', created[0]));
    });
  const fresh = (
    <Button kind="primary" icon="add" disabled={busy} onClick={create}>
      New document
    </Button>
  );
  if (loaded && documents.length === 0) {
    return (
      <Empty icon="text" title="No documents yet" actions={mayWrite && fresh}>
        Everybody in the space can write in a document at once, and sees where the others are. What is written apart comes
        together again.
      </Empty>
    );
  }
  return (
    <div className={`documents ${item === undefined ? 'none-open' : ''}`}>
      <div className="document-list">
        <div className="toolbar">
          <Filter value={filter} onChange={setFilter} />
          {mayWrite && <IconButton icon="add" label="New document" kind="primary" disabled={busy} onClick={create} />}
        </div>
        <ul aria-label={plural(documents.length, 'document')}>
          {shown.map((row) => (
            <li key={row.id}>
              <a className="document-item" href={href('space', space.key, 'documents', row.id)} aria-current={row.id === item ? 'page' : undefined}>
                <strong className="truncate">{titleOf(row)}</strong>
                <span className="truncate small faint">{textOf(row.properties.content).slice(0, 90).replace(/\s+/g, ' ') || 'Empty'}</span>
                <span className="small faint">
                  <Ago timeMs={row.updatedMs} />
                </span>
              </a>
            </li>
          ))}
        </ul>
      </div>
      {item === undefined ? (
        <div className="document">
          <Empty icon="text" title="Choose a document" />
        </div>
      ) : current ? (
        <Document key={current.id} space={space} row={current} mayWrite={mayWrite} />
      ) : (
        loaded && (
          <div className="document">
            <Empty icon="text" title="This document is not here" />
          </div>
        )
      )}
    </div>
  );
}

const TITLE = { ...plainField('title', 'string'), maxLength: 500 };

function Document({ space, row, mayWrite }: { space: Space; row: Row; mayWrite: boolean }) {
  const apply = (op: Parameters<Space['db']['apply']>[0][number]) => void space.db.apply([op]).catch(() => undefined);
  return (
    <article className="document" aria-label={titleOf(row)}>
      <div className="document-head">
        <a className="button quiet icon only-phone" href={href('space', space.key, 'documents')} aria-label="All documents">
          ←
        </a>
        <div className="grow title-field">
          <PropertyEditor
            field={TITLE}
            value={row.properties.title}
            readOnly={!mayWrite}
            aria-label="Title"
            onCommit={(value) => apply({ op: 'set', object: row.id, path: 'title', value: value ?? '' })}
          />
        </div>
        {mayWrite && (
          <ConfirmButton
            small
            kind="quiet"
            icon="remove"
            aria-label="Delete"
            question="Delete it?"
            onConfirm={() => {
              apply({ op: 'delete', object: row.id });
              navigate(href('space', space.key, 'documents'));
            }}
          >
            <span className="optional">Delete</span>
          </ConfirmButton>
        )}
      </div>
      <TextView space={space} id={row.id} path="content" label="Content" readOnly={!mayWrite} />
    </article>
  );
}
