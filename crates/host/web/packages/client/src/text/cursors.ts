/** Cursors in a text: those of others, and the own one. */
import type { TextSelection } from '../api/object.js';
import type { Store } from '../api/store.js';
import type { Link, Subscription } from '../core/link.js';
import { Demand } from '../core/live.js';
import { Cell } from '../core/store.js';
import type { CursorInfo } from '../generated/protocol.js';
import type { TextMachine } from './machine.js';

/** How often the own cursor is told at most. */
const TELL_MS = 50;

export class CursorFeed implements Store<readonly CursorInfo[]> {
  readonly #shown = new Cell<readonly CursorInfo[]>([]);
  readonly #demand: Demand;
  #subscription: Subscription | undefined;
  /** The subscription to the text that this one is of. */
  #of: number | undefined;
  #own: TextSelection | undefined;
  #isUntold = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly link: Link,
    private readonly machine: TextMachine,
    private readonly text: () => number | undefined,
  ) {
    this.#demand = new Demand(
      () => this.refresh(),
      () => this.stop(),
    );
  }

  readonly get = (): readonly CursorInfo[] => this.#shown.get();

  readonly subscribe = (listener: () => void): (() => void) => {
    const stop = this.#shown.subscribe(listener);
    const release = this.#demand.hold();
    return () => {
      stop();
      release();
    };
  };

  /** The text has changed, or is there now. */
  refresh(): void {
    if (this.machine.isLoaded) this.#begin();
    this.#shown.set(this.machine.cursors);
    if (this.#isUntold) this.#tellSoon();
  }

  /** The subscription to the text is another one, or none. */
  stop(): void {
    this.#subscription?.close();
    this.#subscription = undefined;
    this.#of = undefined;
    this.machine.setCursors([]);
    this.#shown.set(this.machine.cursors);
    // A new one knows nothing of the own cursor.
    this.#isUntold = this.#own !== undefined;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#own = undefined;
    this.#tell();
    this.#isUntold = false;
    this.stop();
  }

  setOwn(selection: TextSelection | undefined): void {
    const last = this.#own;
    if (last?.anchor === selection?.anchor && last?.head === selection?.head && !this.#isUntold) return;
    this.#own = selection;
    this.#isUntold = true;
    this.#tellSoon();
  }

  #begin(): void {
    const text = this.text();
    if (!this.#demand.isOn || text === undefined || text === this.#of) return;
    this.#of = text;
    const subscription = this.link.subscribe(
      { topic: 'cursors', text },
      {
        event: (_kind, value) => {
          this.machine.setCursors(value as CursorInfo[]);
          this.#shown.set(this.machine.cursors);
        },
        end: () => {
          if (this.#subscription === subscription) this.#subscription = undefined;
          // When the next value of the text comes, it is tried again.
          this.#of = undefined;
        },
      },
    );
    this.#subscription = subscription;
  }

  #tellSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#tell();
    }, TELL_MS);
  }

  /** Positions are of the host's text: while something typed is on its way, it waits. */
  #tell(): void {
    const id = this.text();
    const selection = this.#own;
    if (id === undefined || !this.#isUntold || (selection && !this.machine.isSettled)) return;
    this.#isUntold = false;
    const { version } = this.machine;
    this.link.call('text.setCursor', { id, version, ...(selection ? { selection } : {}) }).catch(() => {
      // It was of another version: when the text has changed, it is told again.
      if (this.#own === selection && selection) this.#isUntold = true;
    });
  }
}
