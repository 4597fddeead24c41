import { useEffect, useMemo, useRef, useState } from 'react';
import { type EchoObject, META, type QueryInput, type Space } from '@dxos-rs/client';
import { snippetsOf } from '../../data/found.js';
import { isInternal, SCHEMA_TYPE, useObjects, useSchemas } from '../../data/objects.js';
import { DOCUMENT } from '../../data/schema.js';
import { showValue } from '../../data/values.js';
import { useSettled } from '../../data/store.js';
import { href, navigate, searchHref, useRoute } from '../../router.js';
import { Ago, Badge, Button, Empty, Note, Select } from '../../ui/controls.js';
import { labelOf, plural, shortType } from '../../ui/format.js';
import { Icon } from '../../ui/icon.js';
import { Explained } from './query.js';

const PAGE = 50;
const SETTLE_MS = 120;

/** Words in the texts of a space, the best first; the answer is kept up to date. */
export function Search({ space }: { space: Space }) {
  const { query } = useRoute();
  const given = query.get('q') ?? '';
  const [words, setWords] = useState(given);
  const [type, setType] = useState('');
  const input = useRef<HTMLInputElement>(null);
  const settled = useSettled(words, SETTLE_MS).trim();
  // The address is what is searched for: it is read when it changes, and written as somebody types.
  const written = useRef(given);
  useEffect(() => {
    if (given === written.current) return;
    written.current = given;
    setWords(given);
  }, [given]);
  useEffect(() => {
    if (settled === written.current) return;
    written.current = settled;
    navigate(searchHref(space.key, settled), { replace: true });
  }, [space, settled]);
  useEffect(() => input.current?.focus({ preventScroll: true }), []);
  const schemas = useSchemas(space);
  return (
    <div className="search">
      <div className="toolbar">
        <div className="filter wide">
          <Icon name="search" />
          <input
            ref={input}
            className="input"
            type="search"
            data-filter=""
            aria-label="Search this space"
            placeholder="Search this space"
            autoComplete="off"
            spellCheck={false}
            value={words}
            onChange={(event) => setWords(event.target.value)}
          />
        </div>
        <Select aria-label="Type" className="fit" value={type} onChange={(event) => setType(event.target.value)}>
          <option value="">All types</option>
          {schemas.map((schema) => (
            <option key={schema.type} value={schema.type}>
              {shortType(schema.type)}
            </option>
          ))}
        </Select>
      </div>
      <div className="search-room" role="region" aria-label="Results" tabIndex={0}>
        {settled === '' ? (
          <Empty icon="search" title="Search every text of this space">
            <code>garden pea*</code> finds what has both words, the second one as the beginning of a longer one; <code>"sow in spring"</code> finds these words
            in a row. The best come first.
          </Empty>
        ) : (
          <Results key={`${settled} ${type}`} space={space} words={settled} type={type} />
        )}
      </div>
    </div>
  );
}

function Results({ space, words, type }: { space: Space; words: string; type: string }) {
  const [limit, setLimit] = useState(PAGE);
  const query = useMemo<QueryInput>(
    () => ({
      text: words,
      ...(type === '' ? {} : { type }),
      filter: { not: { type_any_version: SCHEMA_TYPE } },
      order: ['-@meta.relevance'],
      highlights: true,
      limit,
    }),
    [words, type, limit],
  );
  const { objects, loaded, error } = useObjects(space, query);
  if (error) {
    return (
      <div style={{ padding: 'var(--space-4)' }}>
        <Note tone="bad" icon="warning">
          {error.message}
        </Note>
      </div>
    );
  }
  const found = objects.filter((object) => !isInternal(object[META].type));
  if (loaded && found.length === 0) {
    return (
      <Empty icon="search" title="Nothing found">
        No object has all of “{words}” in its texts. End a word with <code>*</code> to find longer ones that begin with it.
      </Empty>
    );
  }
  return (
    <>
      <p className="answer-head small soft" role="status">
        {loaded ? (found.length < limit ? `${plural(found.length, 'object')}, the best first` : `The best ${found.length}`) : 'Searching…'}
        {loaded && <Explained space={space} query={query} />}
      </p>
      <ol className="results">
        {found.map((object) => (
          <Result key={object.objectId} space={space} object={object} />
        ))}
      </ol>
      {loaded && found.length >= limit && (
        <div className="results-more">
          <Button onClick={() => setLimit(limit + PAGE)}>Show more</Button>
        </div>
      )}
    </>
  );
}

/** What an object is called: what most have a property for. */
function titleOf(object: EchoObject): string {
  const { properties } = object[META].info;
  for (const name of ['title', 'name', 'label']) {
    const value = showValue(properties[name]);
    if (value !== '') return value;
  }
  return shortType(object[META].type);
}

function Result({ space, object }: { space: Space; object: EchoObject }) {
  const { type, updated } = object[META];
  const snippets = useMemo(() => snippetsOf(object), [object]);
  const page = type.split('@')[0] === DOCUMENT.split('@')[0] ? 'documents' : 'objects';
  return (
    <li>
      <a className="result" href={href('space', space.key, page, object.objectId)}>
        <span className="row between">
          <strong className="truncate">{titleOf(object)}</strong>
          <Badge>{shortType(type)}</Badge>
        </span>
        {snippets.map(({ path, pieces }) => (
          <span key={path} className="snippet">
            <span className="faint">{labelOf(path)} </span>
            {pieces.map((piece, at) => (piece.found ? <mark key={at}>{piece.text}</mark> : <span key={at}>{piece.text}</span>))}
          </span>
        ))}
        {updated && (
          <span className="small faint">
            changed <Ago timeMs={updated.timeMs} />
          </span>
        )}
      </a>
    </li>
  );
}
