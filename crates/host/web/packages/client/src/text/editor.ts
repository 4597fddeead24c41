/** A text that is edited: the machine, its subscription and its calls. */
import type { TextEditor, TextSelection, TextSnapshot } from '../api/object.js';
import type { Store } from '../api/store.js';
import { ConnectionError, HostError } from '../errors.js';
import type { Link, Subscription } from '../core/link.js';
import { Cell, notify, until } from '../core/store.js';
import { ErrorCode, type CursorInfo, type EchoValue, type ExpandSpec, type TextChangeInfo, type TextSplice, type TextValue } from '../generated/protocol.js';
import { CursorFeed } from './cursors.js';
import { difference, toSplices } from './delta.js';
import { TextMachine, type TextEffect } from './machine.js';

/** How long closing waits for what was typed last. */
const CLOSING_MS = 5000;
/** How often a mark is tried while others type. */
const MARK_TRIES = 20;

export interface EditorOptions {
  readonly link: Link;
  readonly space: string;
  readonly object: string;
  readonly path: string;
  /** When it can be opened: a text that was just made has to be there first. */
  readonly opens: Promise<void>;
  /** When one of these changes, a text that had ended is tried again. */
  readonly retryOn: ReadonlyArray<Store<unknown>>;
  /** Hears that the host has ended it. */
  readonly ended?: (error: Error | undefined) => void;
  readonly closed: () => void;
}

export class Editor implements TextEditor {
  readonly #options: EditorOptions;
  readonly #machine = new TextMachine();
  readonly #snapshot = new Cell<TextSnapshot>({ loaded: false, content: '', marks: [] });
  readonly #error = new Cell<Error | undefined>(undefined);
  readonly #settled = new Cell(true);
  readonly #listeners = new Set<(changes: readonly TextSplice[]) => void>();
  readonly #feed: CursorFeed;
  readonly #unwatch: Array<() => void>;
  #subscription: Subscription | undefined;
  #isClosed = false;

  constructor(options: EditorOptions) {
    this.#options = options;
    this.#feed = new CursorFeed(options.link, this.#machine, () => this.#subscription?.id);
    this.#unwatch = options.retryOn.map((store) => store.subscribe(() => this.#begin()));
    void options.opens.then(() => this.#begin());
  }

  get snapshot(): Store<TextSnapshot> {
    return this.#snapshot;
  }

  get cursors(): Store<readonly CursorInfo[]> {
    return this.#feed;
  }

  get error(): Store<Error | undefined> {
    return this.#error;
  }

  async ready(): Promise<void> {
    const either: Store<boolean> = {
      get: () => this.#snapshot.get().loaded || this.#error.get() !== undefined || this.#isClosed,
      subscribe: (listener) => {
        const stops = [this.#snapshot.subscribe(listener), this.#error.subscribe(listener)];
        return () => notify(stops);
      },
    };
    await until(either, Boolean);
    if (!this.#snapshot.get().loaded) throw this.#error.get() ?? new ConnectionError('the text was closed');
  }

  edit(changes: readonly TextSplice[]): void {
    if (this.#isClosed || !this.#machine.isLoaded) throw new RangeError('the text cannot be edited before it is loaded, nor after it was closed');
    this.#machine.edit(changes);
    this.#pump();
  }

  replace(content: string): void {
    this.edit(toSplices(difference(this.#machine.shown, content)));
  }

  onChange(listener: (changes: readonly TextSplice[]) => void): () => void {
    const own: typeof listener = (changes) => listener(changes);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  undo(): Promise<boolean> {
    return this.#step('text.undo');
  }

  redo(): Promise<boolean> {
    return this.#step('text.redo');
  }

  async mark(from: number, to: number, name: string, value: EchoValue, expand?: ExpandSpec): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const id = await this.#settledId();
      try {
        const { version } = this.#machine;
        await this.#options.link.call('text.mark', { id, version, from, to, name, value, ...(expand ? { expand } : {}) });
        return;
      } catch (error) {
        if (!isStale(error) || tries >= MARK_TRIES) throw error;
        await this.#next();
      }
    }
  }

  setCursor(selection: TextSelection | undefined): void {
    this.#feed.setOwn(selection);
  }

  async flush(): Promise<void> {
    const id = await this.#settledId();
    await this.#options.link.call('text.flush', { id }, 'session');
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const stop of this.#unwatch) stop();
    this.#listeners.clear();
    const end = (): void => {
      this.#feed.close();
      this.#subscription?.close();
      this.#subscription = undefined;
      this.#options.closed();
    };
    if (this.#settled.get()) end();
    else until(this.#settled, Boolean, AbortSignal.timeout(CLOSING_MS)).then(end, end);
  }

  /** Waits until the host has what was typed. */
  async drain(): Promise<void> {
    await until(this.#settled, Boolean, AbortSignal.timeout(CLOSING_MS)).catch(() => {});
  }

  async #step(method: 'text.undo' | 'text.redo'): Promise<boolean> {
    const id = await this.#settledId();
    return (await this.#options.link.call(method, { id })).stepped;
  }

  /** The subscription, once everything typed was taken in. */
  async #settledId(): Promise<number> {
    await this.ready();
    await until(this.#settled, Boolean);
    if (!this.#subscription) throw this.#error.get() ?? new ConnectionError('the text was closed');
    return this.#subscription.id;
  }

  /** Waits until the text is of another version. */
  async #next(): Promise<void> {
    const { version } = this.#machine;
    for (let waits = 0; waits < 50 && this.#machine.version === version; waits += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  #begin(): void {
    if (this.#subscription || this.#isClosed) return;
    const { link, space, object, path } = this.#options;
    const subscription = link.subscribe(
      { topic: 'text', space, object, path },
      {
        began: (fresh) => {
          this.#machine.began(fresh);
          if (fresh) this.#feed.stop();
          this.#pump();
        },
        event: (kind, value) => {
          if (kind === 'value') this.#machine.value(value as TextValue);
          else this.#machine.change(value as TextChangeInfo);
          this.#pump();
        },
        end: (error) => {
          this.#subscription = undefined;
          this.#feed.stop();
          this.#error.set(error);
          this.#options.ended?.(error);
        },
      },
    );
    this.#subscription = subscription;
    this.#pump();
  }

  #pump(): void {
    for (const effect of this.#machine.take()) this.#carryOut(effect);
    const { shown: content, marks, isLoaded: loaded } = this.#machine;
    const last = this.#snapshot.get();
    if (last.content !== content || last.marks !== marks || last.loaded !== loaded) this.#snapshot.set({ loaded, content, marks });
    this.#settled.set(this.#machine.isSettled);
    if (loaded) this.#feed.refresh();
  }

  #carryOut(effect: TextEffect): void {
    if (effect.do === 'show') {
      notify([...this.#listeners].map((listener) => () => listener(effect.changes)));
    } else if (effect.do === 'restart') {
      this.#subscription?.close();
      this.#subscription = undefined;
      this.#feed.stop();
      queueMicrotask(() => this.#begin());
    } else this.#sendEdit(effect);
  }

  #sendEdit({ edit, version, changes }: Extract<TextEffect, { do: 'edit' }>): void {
    const subscription = this.#subscription;
    if (!subscription) return;
    this.#options.link.call('text.edit', { id: subscription.id, edit, version, changes }, 'never', null).then(
      (answer) => {
        if (this.#subscription !== subscription) return;
        this.#machine.answered(edit, answer.version);
        this.#error.set(undefined);
        this.#pump();
      },
      (error: Error) => {
        // Without an answer it is sent again when the connection is back.
        if (this.#subscription !== subscription || error instanceof ConnectionError) return;
        if (isStale(error)) this.#machine.stale(edit);
        else {
          this.#machine.refused(edit);
          this.#error.set(error);
        }
        this.#pump();
      },
    );
  }
}

function isStale(error: unknown): boolean {
  return error instanceof HostError && error.code === ErrorCode.STALE;
}
