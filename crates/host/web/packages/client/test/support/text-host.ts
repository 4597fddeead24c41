/** A host of one text, as its page describes it: versions for each editor, one edit on its way. */
import type { TextChangeInfo, TextSplice, TextValue } from '../../src/index.js';

export type Told = { kind: 'value'; value: TextValue } | { kind: 'change'; value: TextChangeInfo };

export function splice(text: string, { at, delete: count, insert }: TextSplice): string {
  if (at + count > text.length) throw new Error(`${at}+${count} is outside of ${text.length}`);
  return text.slice(0, at) + insert + text.slice(at + count);
}

/** One subscription to the text. */
export class HostEditor {
  version = 0;
  edit = 0;
  answer = 0;
  pending: TextSplice[] = [];
  renew = true;

  constructor(private readonly host: TextHost) {}

  /** What it is told now, if there is anything. */
  tell(): Told | undefined {
    if (this.renew) {
      this.renew = false;
      this.pending = [];
      this.version += 1;
      return { kind: 'value', value: { version: this.version, content: this.host.content, marks: [], edit: this.edit } };
    }
    if (this.pending.length === 0) return undefined;
    this.version += 1;
    const changes = this.pending;
    this.pending = [];
    return { kind: 'change', value: { version: this.version, changes } };
  }

  /** Gives the version, or undefined when it is stale. */
  take(edit: number, version: number, changes: readonly TextSplice[]): number | undefined {
    if (edit === this.edit) return this.answer;
    if (edit < this.edit) throw new Error(`edit ${edit} comes after edit ${this.edit}`);
    if (this.renew || this.pending.length > 0 || version !== this.version) return undefined;
    this.host.change(changes, this);
    this.host.edits += 1;
    this.version += 1;
    this.edit = edit;
    this.answer = this.version;
    return this.version;
  }
}

export class TextHost {
  content: string;
  /** How many edits were taken in from its editors. */
  edits = 0;
  readonly editors = new Set<HostEditor>();

  constructor(content = '') {
    this.content = content;
  }

  open(): HostEditor {
    const editor = new HostEditor(this);
    this.editors.add(editor);
    return editor;
  }

  change(changes: readonly TextSplice[], by?: HostEditor): void {
    for (const change of changes) {
      this.content = splice(this.content, change);
      for (const editor of this.editors) if (editor !== by) editor.pending.push(change);
    }
  }
}
