import { useEffect, useRef, useState } from 'react';
import { defaultKeymap } from '@codemirror/commands';
import { EditorState } from '@codemirror/state';
import { drawSelection, EditorView, keymap, placeholder } from '@codemirror/view';
import type { CursorInfo, Space, TextEditor } from '@dxos-rs/client';
import { textBinding } from '@dxos-rs/client/codemirror';
import { useStore } from '../../data/store.js';
import { Note } from '../../ui/controls.js';
import { hueOf } from '../../ui/format.js';

interface TextViewProps {
  space: Space;
  id: string;
  path: string;
  label: string;
  readOnly: boolean;
  /** Within a form, and not as a page. */
  compact?: boolean;
  autoFocus?: boolean;
}

/** A text of a space, edited by everybody at once. */
export function TextView(props: TextViewProps) {
  const { space, id, path } = props;
  const [editor, setEditor] = useState<TextEditor>();
  useEffect(() => {
    const opened = space.db.text(id, path);
    setEditor(opened);
    return () => {
      setEditor(undefined);
      opened.close();
    };
  }, [space, id, path]);
  return editor ? <Editing {...props} editor={editor} /> : <div className={props.compact ? 'text-box' : 'text-page'} />;
}

/** Dark enough for white letters on it, in both themes. */
const colorOf = (cursor: CursorInfo) => `hsl(${hueOf(cursor.identity)} 62% 28%)`;

function Editing({ editor, label, readOnly, compact, autoFocus }: TextViewProps & { editor: TextEditor }) {
  const parent = useRef<HTMLDivElement>(null);
  const error = useStore(editor.error);
  const { loaded } = useStore(editor.snapshot);
  useEffect(() => {
    if (!parent.current) return;
    const view = new EditorView({
      parent: parent.current,
      extensions: [
        textBinding(editor, { color: colorOf }),
        keymap.of(defaultKeymap),
        drawSelection(),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'true' }),
        EditorState.readOnly.of(readOnly),
        EditorView.editable.of(!readOnly),
        readOnly ? [] : placeholder('Write…'),
      ],
    });
    if (autoFocus) view.focus();
    return () => view.destroy();
  }, [editor, label, readOnly, autoFocus]);
  return (
    <>
      {error && (
        <Note tone="bad" icon="warning">
          {error.message}
        </Note>
      )}
      <div ref={parent} className={compact ? 'text-box' : 'text-page'} aria-busy={!loaded} data-testid="text" />
    </>
  );
}
