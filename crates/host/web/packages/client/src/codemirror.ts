/**
 * A text of a space in a CodeMirror 6 editor.
 *
 * ```ts
 * const editor = space.db.text(note, 'body');
 * await editor.ready();
 * new EditorView({ parent, extensions: [basicSetup, textBinding(editor)] });
 * ```
 */
import { Annotation, ChangeSet, EditorSelection, EditorState, type Extension, Prec, RangeSetBuilder, StateEffect } from '@codemirror/state';
import { Decoration, type DecorationSet, EditorView, keymap, ViewPlugin, type ViewUpdate, WidgetType } from '@codemirror/view';
import type { TextEditor } from './api/object.js';
import type { CursorInfo, TextSplice } from './generated/protocol.js';

/** How a text is bound. */
export interface BindingOptions {
  /** Whether others are shown this cursor, and theirs here; true when left out. */
  cursors?: boolean;
  /** Whether Mod-z and Mod-y undo what was typed through this editor and nothing of others; true when left out. */
  history?: boolean;
  /** The colour of somebody's cursor, as CSS; made of the identity when left out. */
  color?: (cursor: CursorInfo) => string;
}

/** What comes from the host and is not to be sent there. */
const fromHost = Annotation.define<boolean>();
const cursorsMoved = StateEffect.define<null>();

/** Binds a text to a view: what is typed goes to the text, what others type comes into the view. */
export function textBinding(editor: TextEditor, options: BindingOptions = {}): Extension {
  const withCursors = options.cursors ?? true;
  const plugin = ViewPlugin.define((view) => new Binding(view, editor, withCursors, options.color ?? colorOf), {
    decorations: (binding) => binding.decorations,
  });
  const whole = EditorState.transactionFilter.of((transaction) => {
    const isTooEarly = transaction.docChanged && !transaction.annotation(fromHost) && !editor.snapshot.get().loaded;
    return isTooEarly ? [] : transaction;
  });
  // Only \n ends a line: every other character has a place of its own, as in the text.
  const extensions: Extension[] = [EditorState.lineSeparator.of('\n'), whole, plugin, theme];
  if (options.history ?? true) extensions.push(Prec.high(keymap.of(historyKeys(editor))));
  return extensions;
}

function historyKeys(editor: TextEditor): Parameters<typeof keymap.of>[0] {
  const run = (step: () => Promise<boolean>) => (): boolean => {
    step().catch(() => {});
    return true;
  };
  const [undo, redo] = [run(() => editor.undo()), run(() => editor.redo())];
  return [
    { key: 'Mod-z', run: undo, preventDefault: true },
    { key: 'Mod-y', mac: 'Mod-Shift-z', run: redo, preventDefault: true },
    { linux: 'Ctrl-Shift-z', run: redo, preventDefault: true },
  ];
}

class Binding {
  decorations: DecorationSet = Decoration.none;
  readonly #stops: Array<() => void> = [];
  #isGone = false;
  #isDue = false;

  constructor(
    private readonly view: EditorView,
    private readonly editor: TextEditor,
    private readonly withCursors: boolean,
    private readonly color: (cursor: CursorInfo) => string,
  ) {
    this.#stops.push(editor.onChange((changes) => this.#apply(changes)));
    // A view cannot be changed while it is being made.
    queueMicrotask(() => this.#begin());
    if (withCursors) this.#stops.push(editor.cursors.subscribe(() => this.#showCursors()));
  }

  #begin(): void {
    if (this.#isGone) return;
    const { content } = this.editor.snapshot.get();
    const { doc } = this.view.state;
    if (doc.toString() !== content) {
      const changes = { from: 0, to: doc.length, insert: content };
      this.view.dispatch({ changes, annotations: fromHost.of(true) });
    }
    this.#showCursors();
  }

  #apply(changes: readonly TextSplice[]): void {
    let set = ChangeSet.empty(this.view.state.doc.length);
    for (const { at, delete: count, insert } of changes) {
      set = set.compose(ChangeSet.of({ from: at, to: at + count, insert }, set.newLength, '\n'));
    }
    this.view.dispatch({ changes: set, annotations: fromHost.of(true) });
  }

  /** After what is going on: cursors move with what is typed, and a view takes nothing in meanwhile. */
  #showCursors(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      if (!this.#isGone) this.view.dispatch({ effects: cursorsMoved.of(null) });
    });
  }

  update(update: ViewUpdate): void {
    const isFromHost = update.transactions.some((transaction) => transaction.annotation(fromHost));
    if (update.docChanged && !isFromHost) {
      const splices: TextSplice[] = [];
      update.changes.iterChanges((fromA, toA, fromB, _toB, inserted) => {
        splices.push({ at: fromB, delete: toA - fromA, insert: inserted.sliceString(0, inserted.length, '\n') });
      });
      this.editor.edit(splices);
    }
    if (!this.withCursors) return;
    if (update.selectionSet || update.docChanged || update.focusChanged) {
      const { anchor, head } = update.state.selection.main;
      this.editor.setCursor(update.view.hasFocus ? { anchor, head } : undefined);
    }
    this.decorations = this.#decorate(update.state.doc.length);
  }

  #decorate(length: number): DecorationSet {
    const ranges: Array<{ from: number; to: number; value: Decoration }> = [];
    for (const cursor of this.editor.cursors.get()) {
      const [anchor, head] = [Math.min(cursor.anchor, length), Math.min(cursor.head, length)];
      const { from, to } = EditorSelection.range(anchor, head);
      const color = this.color(cursor);
      if (from < to) {
        const attributes = { style: `background-color: color-mix(in srgb, ${color} 25%, transparent)` };
        ranges.push({ from, to, value: Decoration.mark({ class: 'cm-dxos-selection', attributes }) });
      }
      const widget = new Caret(cursor.displayName ?? cursor.identity.slice(0, 8), color);
      ranges.push({ from: head, to: head, value: Decoration.widget({ widget, side: 1 }) });
    }
    ranges.sort((one, two) => one.from - two.from || one.value.startSide - two.value.startSide);
    const builder = new RangeSetBuilder<Decoration>();
    for (const { from, to, value } of ranges) builder.add(from, to, value);
    return builder.finish();
  }

  destroy(): void {
    this.#isGone = true;
    for (const stop of this.#stops) stop();
    if (this.withCursors) this.editor.setCursor(undefined);
  }
}

/** Where somebody else has the cursor. */
class Caret extends WidgetType {
  constructor(
    private readonly name: string,
    private readonly color: string,
  ) {
    super();
  }

  override eq(other: Caret): boolean {
    return other.name === this.name && other.color === this.color;
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement('span');
    caret.className = 'cm-dxos-caret';
    caret.style.borderLeftColor = this.color;
    caret.setAttribute('aria-hidden', 'true');
    const label = document.createElement('span');
    label.className = 'cm-dxos-caret-name';
    label.style.backgroundColor = this.color;
    label.textContent = this.name;
    caret.append(label);
    return caret;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}

function colorOf(cursor: CursorInfo): string {
  let hash = 0;
  for (const letter of cursor.identity) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0;
  return `hsl(${hash % 360} 70% 45%)`;
}

const theme = EditorView.baseTheme({
  '.cm-dxos-caret': { position: 'relative', borderLeft: '2px solid', marginLeft: '-1px', marginRight: '-1px' },
  '.cm-dxos-caret-name': {
    position: 'absolute',
    bottom: '100%',
    left: '-2px',
    padding: '0 4px',
    borderRadius: '3px 3px 3px 0',
    color: '#fff',
    fontSize: '11px',
    lineHeight: '1.4',
    whiteSpace: 'nowrap',
    pointerEvents: 'none',
    userSelect: 'none',
  },
});
