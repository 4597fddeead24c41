import { useCallback, useDeferredValue, useMemo, useState } from 'react';
import type { EchoValue, Space } from '@dxos-rs/client';
import { useObjects, useSchemas } from '../../data/objects.js';
import { columnsOf, countTypes, filterRows, type Row, rowsOf, type Sorting, sortRows } from '../../data/rows.js';
import { type FieldSpec, schemaOf, STARTERS } from '../../data/schema.js';
import { useAction } from '../../data/store.js';
import { pathPart } from '../../data/values.js';
import { href, navigate, useRoute } from '../../router.js';
import { Button, Empty, Note, Select } from '../../ui/controls.js';
import { formatCount, plural, shortType } from '../../ui/format.js';
import { CreateObjectDialog } from './create.js';
import { Detail } from './detail.js';
import { Filter } from './filter.js';
import { Table } from './table.js';

/** The objects of a space as a table, and one of them beside it. */
export function Objects({ space, item, mayWrite }: { space: Space; item: string | undefined; mayWrite: boolean }) {
  const { query } = useRoute();
  const type = query.get('type') ?? '';
  const { objects, loaded, error } = useObjects(space, {});
  const schemas = useSchemas(space);
  const [filter, setFilter] = useState('');
  const [sorting, setSorting] = useState<Sorting>();
  const [creating, setCreating] = useState(false);
  const wanted = useDeferredValue(filter);

  const all = useMemo(() => rowsOf(objects), [objects]);
  const types = useMemo(() => countTypes(all), [all]);
  const ofType = useMemo(() => (type === '' ? all : all.filter((row) => row.type === type)), [all, type]);
  const only = type !== '' ? type : types.length === 1 ? types[0]?.type : undefined;
  const columns = useMemo(() => columnsOf(only === undefined ? undefined : schemaOf(schemas, only)?.schema, ofType), [schemas, only, ofType]);
  const rows = useMemo(() => sortRows(filterRows(ofType, wanted), sorting), [ofType, wanted, sorting]);

  const open = useCallback(
    (id: string | undefined) => {
      const to = id === undefined ? href('space', space.key, 'objects') : href('space', space.key, 'objects', id);
      navigate(type === '' ? to : `${to}?type=${encodeURIComponent(type)}`);
    },
    [space, type],
  );
  const edit = useCallback(
    (row: Row, field: FieldSpec, value: EchoValue | undefined) => {
      const path = pathPart(field.name);
      const op = value === undefined ? { op: 'unset' as const, object: row.id, path } : { op: 'set' as const, object: row.id, path, value };
      // What the host refuses shows as a message wherever the user is.
      space.db.apply([op]).catch(() => undefined);
    },
    [space],
  );
  return (
    <div className="split">
      <div className="split-main">
        <div className="toolbar">
          <Select
            aria-label="Type"
            className="fit"
            value={type}
            onChange={(event) => {
              const chosen = event.target.value;
              setSorting(undefined);
              const base = href('space', space.key, 'objects');
              navigate(chosen === '' ? base : `${base}?type=${encodeURIComponent(chosen)}`);
            }}
          >
            <option value="">All types ({formatCount(all.length)})</option>
            {type !== '' && !types.some((one) => one.type === type) && <option value={type}>{shortType(type)} (0)</option>}
            {types.map((one) => (
              <option key={one.type} value={one.type}>
                {shortType(one.type)} ({formatCount(one.count)})
              </option>
            ))}
          </Select>
          <Filter value={filter} onChange={setFilter} />
          <span className="faint small optional" role="status">
            {loaded && (wanted === '' ? plural(rows.length, 'object') : `${formatCount(rows.length)} of ${formatCount(ofType.length)}`)}
          </span>
          {mayWrite && (
            <Button icon="add" kind="primary" onClick={() => setCreating(true)}>
              <span>
                New<span className="optional"> object</span>
              </span>
            </Button>
          )}
        </div>
        {error && (
          <Note tone="bad" icon="warning">
            {error.message}
          </Note>
        )}
        {loaded && all.length === 0 ? (
          <Start space={space} mayWrite={mayWrite} onCreate={() => setCreating(true)} />
        ) : loaded && rows.length === 0 ? (
          <Empty icon="search" title="Nothing fits" actions={<Button onClick={() => setFilter('')}>Clear the filter</Button>}>
            No object has {wanted === '' ? 'this type' : `“${wanted}”`} in it.
          </Empty>
        ) : (
          <Table
            label="Objects"
            rows={rows}
            columns={columns}
            sorting={sorting}
            onSort={setSorting}
            openId={item}
            onOpen={open}
            onEdit={mayWrite ? edit : undefined}
          />
        )}
      </div>
      {item !== undefined && <Detail key={item} space={space} id={item} mayWrite={mayWrite} onClose={() => open(undefined)} />}
      {creating && (
        <CreateObjectDialog
          space={space}
          types={types.map((one) => one.type)}
          type={type}
          onClose={() => setCreating(false)}
          onCreated={open}
        />
      )}
    </div>
  );
}

/** What a space without objects is offered. */
function Start({ space, mayWrite, onCreate }: { space: Space; mayWrite: boolean; onCreate: () => void }) {
  const [busy, run] = useAction();
  const begin = (starter: (typeof STARTERS)[number]) =>
    void run(async () => {
      await space.putSchema(starter.type, starter.schema);
      onCreate();
    });
  return (
    <Empty
      icon="objects"
      title="No objects yet"
      actions={
        mayWrite &&
        STARTERS.slice(0, 2).map((starter) => (
          <Button key={starter.type} disabled={busy} onClick={() => begin(starter)}>
            Begin with {shortType(starter.type).toLowerCase()}s
          </Button>
        ))
      }
    >
      Objects have a type and any properties. A schema gives them a form, and is checked where something is written.
    </Empty>
  );
}
