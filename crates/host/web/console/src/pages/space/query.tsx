import { useCallback, useMemo, useState } from 'react';
import type { EchoComparison, EchoFilter, EchoValue, ExplanationInfo, OrderSpec, QueryInput, Space } from '@dxos-rs/client';
import { useObjects, useSchemas } from '../../data/objects.js';
import { columnsOf, countTypes, rowsOf } from '../../data/rows.js';
import { schemaOf } from '../../data/schema.js';
import { asError, useAction, useLoad, useSettled } from '../../data/store.js';
import { href, navigate } from '../../router.js';
import { Button, copy, Empty, Field, IconButton, Input, Note, Segments, Select } from '../../ui/controls.js';
import { formatCount, plural, shortType } from '../../ui/format.js';
import { Table } from './table.js';

type Mode = 'form' | 'text' | 'json';
type Operator = EchoComparison | 'contains' | 'prefix' | 'exists' | 'missing';

interface Condition {
  readonly key: number;
  readonly path: string;
  readonly operator: Operator;
  readonly text: string;
}

const MODES: ReadonlyArray<{ value: Mode; label: string }> = [
  { value: 'form', label: 'Form' },
  { value: 'text', label: 'Text' },
  { value: 'json', label: 'JSON' },
];

const OPERATORS: ReadonlyArray<{ operator: Operator; text: string }> = [
  { operator: 'eq', text: 'is' },
  { operator: 'ne', text: 'is not' },
  { operator: 'lt', text: 'is less than' },
  { operator: 'le', text: 'is at most' },
  { operator: 'gt', text: 'is more than' },
  { operator: 'ge', text: 'is at least' },
  { operator: 'prefix', text: 'begins with' },
  { operator: 'contains', text: 'contains' },
  { operator: 'exists', text: 'is there' },
  { operator: 'missing', text: 'is missing' },
];

/** A word that was typed, as the value that it most likely means. */
export function valueOf(text: string): EchoValue {
  const trimmed = text.trim();
  if (trimmed === 'true' || trimmed === 'yes') return true;
  if (trimmed === 'false' || trimmed === 'no') return false;
  if (trimmed === 'null') return null;
  if (/^-?\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed);
  if (/^\d{4}-\d{2}-\d{2}/.test(trimmed) && Number.isFinite(Date.parse(trimmed))) return { '@time': Date.parse(trimmed) };
  const quoted = /^"(.*)"$/s.exec(trimmed);
  return quoted?.[1] ?? trimmed;
}

function filterOf({ path, operator, text }: Condition): EchoFilter {
  switch (operator) {
    case 'exists':
      return { exists: path };
    case 'missing':
      return { not: { exists: path } };
    case 'prefix':
      return { prefix: { path, prefix: text } };
    case 'contains':
      return { contains: { path, value: valueOf(text) } };
    default:
      return { compare: { path, comparison: operator, value: valueOf(text) } };
  }
}

/** Questions to the objects of a space; the answer is kept up to date. */
export function QueryTab({ space }: { space: Space }) {
  const [mode, setMode] = useState<Mode>('form');
  const [type, setType] = useState('');
  const [conditions, setConditions] = useState<readonly Condition[]>([]);
  const [any, setAny] = useState(false);
  const [order, setOrder] = useState<OrderSpec>({ path: '' });
  const [limit, setLimit] = useState('');
  const [deleted, setDeleted] = useState<NonNullable<QueryInput['deleted']>>('exclude');
  const [json, setJson] = useState('');
  const [text, setText] = useState('');
  const [, run] = useAction();
  const read = useRead(space, mode === 'text' ? text : '');
  const built = useMemo<QueryInput>(() => {
    const filters = conditions.filter((condition) => condition.path.trim() !== '').map(filterOf);
    const filter = filters.length > 1 ? (any ? { or: filters } : { and: filters }) : filters[0];
    const count = Number.parseInt(limit, 10);
    return {
      ...(type !== '' && { type }),
      ...(filter && { filter }),
      ...(order.path.trim() !== '' && { order: [order] }),
      ...(count > 0 && { limit: count }),
      ...(deleted !== 'exclude' && { deleted }),
    };
  }, [type, conditions, any, order, limit, deleted]);
  const [query, problem] = useMemo<[QueryInput, string | undefined]>(() => {
    if (mode === 'form') return [built, undefined];
    if (mode === 'text') return [read.query, read.problem];
    try {
      return [JSON.parse(json) as QueryInput, undefined];
    } catch (error) {
      return [{ limit: 0 }, `This is no JSON: ${asError(error).message}`];
    }
  }, [mode, built, json, read]);
  const settled = useSettled(query, 250);
  const { objects: everything } = useObjects(space, {});
  const types = useMemo(() => countTypes(rowsOf(everything)), [everything]);
  const change = (key: number, next: Partial<Condition>) =>
    setConditions((before) => before.map((one) => (one.key === key ? { ...one, ...next } : one)));
  return (
    <div className="query">
      <section className="query-form stack" aria-label="Query">
        <div className="row between">
          <Segments
            label="How the query is written"
            value={mode}
            options={MODES}
            onChange={(next) => {
              // What was asked goes on in the other form.
              const asked = mode === 'form' ? built : query;
              if (next === 'json' && problem === undefined) setJson(JSON.stringify(asked, null, 2));
              if (next === 'text' && problem === undefined) void run(async () => setText(await space.db.formatQuery(asked)));
              setMode(next);
            }}
          />
          <Button small kind="quiet" icon="copy" onClick={() => void copy(`space.db.query(${JSON.stringify(query, null, 2)})`, 'Query')}>
            Copy as code
          </Button>
        </div>
        {mode === 'text' ? (
          <Field label="Query" error={problem} hint={TEXT_HINT}>
            {(ids) => <textarea {...ids} className="textarea mono" rows={6} spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} />}
          </Field>
        ) : mode === 'json' ? (
          <Field label="Query" error={problem} hint="type, where, filter, order, limit, deleted">
            {(ids) => <textarea {...ids} className="textarea mono" rows={12} spellCheck={false} value={json} onChange={(event) => setJson(event.target.value)} />}
          </Field>
        ) : (
          <>
            <Field label="Type">
              {(ids) => (
                <Select {...ids} value={type} onChange={(event) => setType(event.target.value)}>
                  <option value="">Any</option>
                  {types.map((one) => (
                    <option key={one.type} value={one.type}>
                      {shortType(one.type)}
                    </option>
                  ))}
                </Select>
              )}
            </Field>
            <fieldset className="stack" style={{ gap: 'var(--space-2)' }}>
              <legend className="sr-only">Conditions</legend>
              {conditions.map((condition, at) => (
                <div key={condition.key} className="condition">
                  <Input
                    aria-label={`Property of condition ${at + 1}`}
                    placeholder="property"
                    autoFocus
                    value={condition.path}
                    onChange={(event) => change(condition.key, { path: event.target.value })}
                  />
                  <Select
                    aria-label={`Comparison of condition ${at + 1}`}
                    value={condition.operator}
                    onChange={(event) => change(condition.key, { operator: event.target.value as Operator })}
                  >
                    {OPERATORS.map((one) => (
                      <option key={one.operator} value={one.operator}>
                        {one.text}
                      </option>
                    ))}
                  </Select>
                  {condition.operator === 'exists' || condition.operator === 'missing' ? (
                    <span />
                  ) : (
                    <Input
                      aria-label={`Value of condition ${at + 1}`}
                      placeholder="value"
                      value={condition.text}
                      onChange={(event) => change(condition.key, { text: event.target.value })}
                    />
                  )}
                  <IconButton
                    icon="close"
                    small
                    label={`Take condition ${at + 1} out`}
                    onClick={() => setConditions((before) => before.filter((one) => one.key !== condition.key))}
                  />
                </div>
              ))}
              <div className="row between wrap">
                <Button
                  small
                  icon="add"
                  onClick={() => setConditions((before) => [...before, { key: Date.now() + before.length, path: '', operator: 'eq', text: '' }])}
                >
                  Add a condition
                </Button>
                {conditions.length > 1 && (
                  <Segments
                    label="How conditions go together"
                    value={any ? 'any' : 'all'}
                    options={[
                      { value: 'all', label: 'All' },
                      { value: 'any', label: 'Any' },
                    ]}
                    onChange={(next) => setAny(next === 'any')}
                  />
                )}
              </div>
            </fieldset>
            <div className="pair">
              <Field label="Order by">
                {(ids) => <Input {...ids} placeholder="property" value={order.path} onChange={(event) => setOrder({ ...order, path: event.target.value })} />}
              </Field>
              <Field label="Direction">
                {(ids) => (
                  <Select
                    {...ids}
                    value={order.descending ? 'down' : 'up'}
                    onChange={(event) => setOrder({ path: order.path, descending: event.target.value === 'down' })}
                  >
                    <option value="up">Least first</option>
                    <option value="down">Greatest first</option>
                  </Select>
                )}
              </Field>
            </div>
            <div className="pair">
              <Field label="At most">
                {(ids) => <Input {...ids} type="number" min={1} placeholder="all" value={limit} onChange={(event) => setLimit(event.target.value)} />}
              </Field>
              <Field label="Deleted objects">
                {(ids) => (
                  <Select {...ids} value={deleted} onChange={(event) => setDeleted(event.target.value as typeof deleted)}>
                    <option value="exclude">Leave out</option>
                    <option value="include">Show too</option>
                    <option value="only">Only these</option>
                  </Select>
                )}
              </Field>
            </div>
          </>
        )}
      </section>
      <Answer space={space} query={settled} />
    </div>
  );
}

const TEXT_HINT = (
  <>
    As <code>dx query</code> takes it: <code>type:Task done:false text:"quick bro*" order:-@relevance limit:10</code>
  </>
);

/** A query in its text form, read by the host as somebody types; the last one that was one stays. */
function useRead(space: Space, text: string): { query: QueryInput; problem: string | undefined } {
  const settled = useSettled(text, 200);
  const { value, error } = useLoad(() => space.db.parseQuery(settled), [space, settled]);
  return useMemo(() => ({ query: value ?? {}, problem: error?.message }), [value, error]);
}

/** How the query was answered: by an index, or by looking at everything. */
export function Explained({ space, query }: { space: Space; query: QueryInput }) {
  const key = JSON.stringify(query);
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const { value } = useLoad(() => space.db.explain(query), [space, key]);
  return value === undefined ? null : <span className="faint">{explanation(value)}</span>;
}

function explanation({ index, inOrder, rows, objects, building }: ExplanationInfo): string {
  const waits = building.map(({ name, done, objects: all }) => `, “${name}” is being built (${formatCount(done)} of ${formatCount(all)})`).join('');
  if (index === null) return ` · no index fits: ${plural(objects, 'object')} read${waits}`;
  return ` · index “${index}”${inOrder ? ' in its order' : ''}: ${plural(rows, 'row')} and ${plural(objects, 'object')} read${waits}`;
}

function Answer({ space, query }: { space: Space; query: QueryInput }) {
  const { objects, loaded, error } = useObjects(space, query);
  const schemas = useSchemas(space);
  const rows = useMemo(() => rowsOf(objects), [objects]);
  const columns = useMemo(() => columnsOf(query.type === undefined ? undefined : schemaOf(schemas, query.type)?.schema, rows), [schemas, query.type, rows]);
  const open = useCallback((id: string) => navigate(href('space', space.key, 'objects', id)), [space]);
  return (
    <section className="query-answer" aria-label="Answer">
      <p className="answer-head small soft" role="status">
        {error ? '' : loaded ? `${plural(rows.length, 'object')}, kept up to date` : 'Asking…'}
        {loaded && !error && <Explained space={space} query={query} />}
      </p>
      {error ? (
        <div style={{ padding: 'var(--space-4)' }}>
          <Note tone="bad" icon="warning">
            {error.message}
          </Note>
        </div>
      ) : loaded && rows.length === 0 ? (
        <Empty icon="query" title="No object fits" />
      ) : (
        <Table label="Answer" rows={rows} columns={columns} sorting={undefined} onOpen={open} />
      )}
    </section>
  );
}
