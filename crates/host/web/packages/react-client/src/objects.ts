import { querySpec, type CursorInfo, type EchoObject, type Properties, type QueryInput, type Space, type Store, type TextEditor, type TextSnapshot } from '@dxos-rs/client';
import { useEffect, useMemo, useState } from 'react';
import { constant, NONE, NOTHING, useStore } from './store.js';

/** A space, once there is one. */
export type MaybeSpace = Space | null | undefined;

/**
 * The objects that a query finds, kept up to date. The list is another one when something in it
 * has changed, and so is each object that has: `memo` on an object renders only those.
 *
 * @example
 * ```tsx
 * import { useOrCreateFirstSpace, useQuery } from '@dxos-rs/react-client';
 *
 * type Task = { title: string; done: boolean };
 *
 * export default function Example() {
 *   const space = useOrCreateFirstSpace();
 *   const tasks = useQuery<Task>(space, { type: 'example.com/type/Task', order: ['title'] });
 *   return (
 *     <>
 *       <button onClick={() => space?.db.add<Task>({ title: 'Water the plants', done: false }, { type: 'example.com/type/Task' })}>Add</button>
 *       <ul>
 *         {tasks.map((task) => (
 *           <li key={task.objectId}>
 *             <label><input type="checkbox" checked={task.done} onChange={() => (task.done = !task.done)} /> {task.title}</label>
 *           </li>
 *         ))}
 *       </ul>
 *     </>
 *   );
 * }
 * ```
 */
export function useQuery<T extends object = Properties>(space: MaybeSpace, query?: QueryInput): ReadonlyArray<EchoObject<T>> {
  const spec = JSON.stringify(querySpec(query));
  const live = useMemo(() => {
    const { limit, ...rest } = JSON.parse(spec) as ReturnType<typeof querySpec>;
    return space?.db.query<T>(typeof limit === 'number' ? { ...rest, limit } : rest);
  }, [space, spec]);
  return useStore<ReadonlyArray<EchoObject<T>>>(live ?? NONE);
}

/**
 * One object; undefined when there is none, or it is not known yet.
 *
 * @example
 * ```tsx
 * import { useObject, useOrCreateFirstSpace, useQuery } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const space = useOrCreateFirstSpace();
 *   const [first] = useQuery(space, { type: 'example.com/type/Task', limit: 1 });
 *   const task = useObject<{ title: string }>(space, first?.objectId);
 *   return task ? <input aria-label="Title" value={task.title} onChange={(event) => (task.title = event.target.value)} /> : <p>No task</p>;
 * }
 * ```
 */
export function useObject<T extends object = Properties>(space: MaybeSpace, id: string | undefined): EchoObject<T> | undefined {
  const live = useMemo(() => (space && id !== undefined ? space.db.object<T>(id) : undefined), [space, id]);
  return useStore<EchoObject<T> | undefined>(live ?? NOTHING);
}

/** A text on screen. */
export interface TextView extends TextSnapshot {
  /** What edits it; undefined until it is open. `textBinding(editor)` of `@dxos-rs/client/codemirror` puts it into CodeMirror. */
  readonly editor: TextEditor | undefined;
  /** Why it cannot be edited. */
  readonly error: Error | undefined;
}

const UNLOADED: Store<TextSnapshot> = constant({ loaded: false, content: '', marks: [] });

/**
 * Opens a text for as long as it is on screen.
 *
 * @example
 * ```tsx
 * import { Text } from '@dxos-rs/client';
 * import { useOrCreateFirstSpace, useQuery, useText } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const space = useOrCreateFirstSpace();
 *   const [note] = useQuery(space, { type: 'example.com/type/Note', limit: 1 });
 *   const { content, loaded, editor } = useText(space, note?.objectId, 'body');
 *   if (!note) return <button onClick={() => space?.db.add({ body: new Text('') }, { type: 'example.com/type/Note' })}>New note</button>;
 *   return <textarea aria-label="Note" value={content} disabled={!loaded} onChange={(event) => editor?.replace(event.target.value)} />;
 * }
 * ```
 */
export function useText(space: MaybeSpace, objectId: string | undefined, path: string): TextView {
  const [opened, setOpened] = useState<{ editor: TextEditor; of: string }>();
  const of = space && objectId !== undefined ? JSON.stringify([space.key, objectId, path]) : undefined;
  useEffect(() => {
    if (!space || objectId === undefined || of === undefined) return;
    const editor = space.db.text(objectId, path);
    setOpened({ editor, of });
    return () => editor.close();
  }, [space, objectId, path, of]);
  // What was open for another object is none of this one.
  const editor = opened && opened.of === of ? opened.editor : undefined;
  const snapshot = useStore<TextSnapshot>(editor?.snapshot ?? UNLOADED);
  const error = useStore<Error | undefined>(editor?.error ?? NOTHING);
  return useMemo(() => ({ ...snapshot, editor, error }), [snapshot, editor, error]);
}

/**
 * Where others have their cursors in a text.
 *
 * @example
 * ```tsx
 * import { useCursors, useText, useOrCreateFirstSpace } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const { editor } = useText(useOrCreateFirstSpace(), undefined, 'body');
 *   return <p>{useCursors(editor).length} others are here.</p>;
 * }
 * ```
 */
export function useCursors(editor: TextEditor | undefined): readonly CursorInfo[] {
  return useStore<readonly CursorInfo[]>(editor?.cursors ?? NONE);
}
