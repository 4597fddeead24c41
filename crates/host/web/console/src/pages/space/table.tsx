import { type KeyboardEvent, memo, type MouseEvent, useCallback, useId, useRef, useState } from 'react';
import type { EchoValue } from '@dxos-rs/client';
import type { FieldSpec } from '../../data/schema.js';
import { type Row, type Sorting, UPDATED } from '../../data/rows.js';
import { kindOf, showValue } from '../../data/values.js';
import { Ago, IconButton } from '../../ui/controls.js';
import { formatCount } from '../../ui/format.js';
import { Icon } from '../../ui/icon.js';
import { useRowsInView } from '../../ui/rows-in-view.js';
import { PropertyEditor } from './fields.js';

/** Widths of columns that hold what is always short, in pixels. */
const WIDTHS: Partial<Record<FieldSpec['kind'], number>> = {
  flag: 96,
  number: 112,
  counter: 112,
  time: 176,
  choice: 120,
  reference: 140,
};
const OPEN_WIDTH = 36;
const TIME_WIDTH = 128;

interface TableProps {
  label: string;
  rows: readonly Row[];
  columns: readonly FieldSpec[];
  sorting: Sorting | undefined;
  onSort?: (sorting: Sorting | undefined) => void;
  /** The row whose details show. */
  openId?: string | undefined;
  onOpen: (id: string) => void;
  onEdit?: ((row: Row, field: FieldSpec, value: EchoValue | undefined) => void) | undefined;
}

/** Where the keyboard is in the table. */
interface Place {
  readonly row: number;
  readonly column: number;
}

/**
 * A table of any number of rows, of which only those in view are in the page. The focus stays on
 * the table; which cell is meant is said by `aria-activedescendant`.
 */
export function Table({ label, rows, columns, sorting, onSort, openId, onOpen, onEdit }: TableProps) {
  const id = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState<Place>({ row: 0, column: 0 });
  const [editing, setEditing] = useState(false);
  const height = useRowHeight();
  const { placed, reveal } = useRowsInView(scroller, rows.length, height);
  const last = columns.length;
  const at = { row: Math.min(place.row, rows.length - 1), column: Math.min(place.column, last) };
  const template = `${OPEN_WIDTH}px ${columns.map(widthOf).join(' ')} ${TIME_WIDTH}px`;
  // By the columns and not by what is in them: rows stand apart, and all have to be as wide.
  const narrowest = columns.reduce((sum, field) => sum + leastWidthOf(field), OPEN_WIDTH + TIME_WIDTH);

  const move = useCallback(
    (row: number, column: number) => {
      const next = { row: Math.max(0, Math.min(rows.length - 1, row)), column: Math.max(0, Math.min(last, column)) };
      setPlace(next);
      reveal(next.row);
    },
    [rows.length, last, reveal],
  );
  const select = useCallback((row: number, column: number) => {
    setPlace({ row, column });
    setEditing(false);
  }, []);
  const edit = useCallback((row: number, column: number) => {
    setPlace({ row, column });
    setEditing(true);
  }, []);
  const stop = useCallback(() => {
    setEditing(false);
    scroller.current?.focus({ preventScroll: true });
  }, []);
  const press = (event: KeyboardEvent) => {
    if (event.target !== scroller.current || rows.length === 0) return;
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / height) - 2);
    const { row, column } = at;
    const steps: Record<string, () => void> = {
      ArrowDown: () => move(row + 1, column),
      ArrowUp: () => move(row - 1, column),
      ArrowLeft: () => move(row, column - 1),
      ArrowRight: () => move(row, column + 1),
      PageDown: () => move(row + page, column),
      PageUp: () => move(row - page, column),
      Home: () => move(event.ctrlKey ? 0 : row, event.ctrlKey ? column : 0),
      End: () => move(event.ctrlKey ? rows.length - 1 : row, event.ctrlKey ? column : last),
      ' ': () => onOpen(rows[row]?.id ?? ''),
      Enter: () => {
        const field = columns[column];
        const shown = rows[row];
        if (!field || !shown) return;
        const kind = cellKind(field, shown);
        if (!onEdit || kind === 'apart') onOpen(shown.id);
        else if (kind === 'flag') onEdit(shown, field, shown.properties[field.name] !== true);
        else edit(row, column);
      },
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  };
  return (
    <div
      ref={scroller}
      className="table"
      role="grid"
      aria-label={label}
      aria-rowcount={rows.length + 1}
      aria-colcount={columns.length + 2}
      aria-activedescendant={rows.length > 0 ? `${id}-${at.row}-${at.column}` : undefined}
      tabIndex={0}
      onKeyDown={press}
      onMouseOver={tellWhole}
      style={{ '--columns': template, '--columns-min': `${narrowest}px` } as React.CSSProperties}
    >
      <div className="table-head" role="row" aria-rowindex={1}>
        <span role="columnheader">
          <span className="sr-only">Open</span>
        </span>
        {columns.map((field) => (
          <Head key={field.name} name={field.name} label={field.label} sorting={sorting} onSort={onSort} />
        ))}
        <Head name={UPDATED} label="Changed" sorting={sorting} onSort={onSort} />
      </div>
      <div className="table-body" role="rowgroup" style={{ height: rows.length * height }}>
        {placed.map(({ index, slot }) => {
          const row = rows[index];
          if (!row) return null;
          const here = index === at.row;
          return (
            <RowView
              key={slot}
              row={row}
              index={index}
              top={index * height}
              columns={columns}
              idPrefix={id}
              open={row.id === openId}
              column={here ? at.column : -1}
              editing={here && editing}
              select={select}
              edit={edit}
              stop={stop}
              onOpen={onOpen}
              onEdit={onEdit}
            />
          );
        })}
      </div>
    </div>
  );
}

const isTitle = (field: FieldSpec): boolean => field.name === 'title' || field.name === 'name';

/** The width of a column. */
function widthOf(field: FieldSpec): string {
  const fixed = WIDTHS[field.kind];
  return fixed === undefined ? `minmax(${leastWidthOf(field)}px, ${isTitle(field) ? 2 : 1}fr)` : `${fixed}px`;
}

/** Its least width, in pixels. */
function leastWidthOf(field: FieldSpec): number {
  return WIDTHS[field.kind] ?? (isTitle(field) ? 220 : 150);
}

/** What does not fit its cell is told in full to whoever points at it. */
function tellWhole({ target }: MouseEvent) {
  const cell = target instanceof Element ? target.closest<HTMLElement>('.cell') : null;
  if (!cell) return;
  const isCut = cell.scrollWidth > cell.clientWidth;
  if (isCut) cell.title = cell.innerText;
  else cell.removeAttribute('title');
}

/** The height of a row is a token, which is greater for fingers. */
function useRowHeight(): number {
  const [height] = useState(() => Number.parseInt(getComputedStyle(document.documentElement).getPropertyValue('--row'), 10) || 33);
  return height;
}

interface HeadProps {
  name: string;
  label: string;
  sorting: Sorting | undefined;
  onSort: ((sorting: Sorting | undefined) => void) | undefined;
}

function Head({ name, label, sorting, onSort }: HeadProps) {
  const own = sorting?.column === name ? sorting : undefined;
  const order = own ? (own.descending ? 'descending' : 'ascending') : 'none';
  const next = !own ? { column: name, descending: name === UPDATED } : own.descending === (name === UPDATED) ? { column: name, descending: !own.descending } : undefined;
  return (
    <span role="columnheader" aria-sort={order}>
      {onSort ? (
        <button type="button" onClick={() => onSort(next)}>
          <span className="truncate">{label}</span>
          <span className={`sort ${order}`} aria-hidden="true">
            <Icon name="down" />
          </span>
        </button>
      ) : (
        <span className="truncate">{label}</span>
      )}
    </span>
  );
}

/** How a cell is edited: `apart` in the row's details only. */
function cellKind(field: FieldSpec, row: Row): 'flag' | 'line' | 'apart' {
  const kind = field.kind === 'any' ? kindOf(row.properties[field.name]) : field.kind;
  if (kind === 'flag') return 'flag';
  return kind === 'string' || kind === 'number' || kind === 'time' || kind === 'choice' || kind === 'nothing' ? 'line' : 'apart';
}

interface RowProps {
  row: Row;
  index: number;
  top: number;
  columns: readonly FieldSpec[];
  idPrefix: string;
  open: boolean;
  /** The column where the keyboard is, -1 when it is in another row. */
  column: number;
  editing: boolean;
  select: (row: number, column: number) => void;
  edit: (row: number, column: number) => void;
  stop: () => void;
  onOpen: (id: string) => void;
  onEdit: TableProps['onEdit'];
}

const RowView = memo(function RowView(props: RowProps) {
  const { row, index, top, columns, idPrefix, open, column, editing, select, edit, stop, onOpen, onEdit } = props;
  return (
    <div
      className={`table-row ${open ? 'open' : ''}`}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={open}
      style={{ top }}
    >
      <span role="gridcell" className="open-cell">
        <IconButton icon="open" label={`Open object ${formatCount(index + 1)}`} small tabIndex={-1} onClick={() => onOpen(row.id)} />
      </span>
      {columns.map((field, at) => {
        const kind = cellKind(field, row);
        const value = row.properties[field.name];
        const here = at === column;
        const name = `${field.label} of object ${formatCount(index + 1)}`;
        if (here && editing && onEdit) {
          return (
            <span key={field.name} role="gridcell" id={`${idPrefix}-${index}-${at}`} className="cell editing">
              <PropertyEditor
                key={row.id}
                field={field}
                value={value}
                autoFocus
                aria-label={name}
                onEscape={stop}
                onCommit={(next) => {
                  stop();
                  onEdit(row, field, next);
                }}
              />
            </span>
          );
        }
        return (
          <span
            key={field.name}
            role="gridcell"
            id={`${idPrefix}-${index}-${at}`}
            className={`cell kind-${field.kind} ${here ? 'here' : ''}`}
            onMouseDown={() => select(index, at)}
            onDoubleClick={() => (kind === 'line' && onEdit ? edit(index, at) : onOpen(row.id))}
          >
            {kind === 'flag' ? (
              <input
                type="checkbox"
                className="checkbox"
                tabIndex={-1}
                checked={value === true}
                disabled={!onEdit}
                aria-label={name}
                onChange={(event) => onEdit?.(row, field, event.target.checked)}
              />
            ) : (
              showValue(value)
            )}
            {row.conflicts.includes(field.name) && <span className="dot warn" role="img" aria-label="has a conflict" />}
          </span>
        );
      })}
      <span role="gridcell" id={`${idPrefix}-${index}-${columns.length}`} className={`cell faint ${column === columns.length ? 'here' : ''}`}>
        <Ago timeMs={row.updatedMs} />
      </span>
    </div>
  );
});
