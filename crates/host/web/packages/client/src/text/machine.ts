/**
 * How a text that is edited here stays that of the host, as a pure state machine;
 * `docs/host-protocol.md`, "Texts", has the rules.
 */
import type { CursorInfo, MarkInfo, TextChangeInfo, TextSplice, TextValue } from '../generated/protocol.js';
import { apply, compose, difference, fromSplices, isNothing, map, mapPosition, NOTHING, sizeOf, toSplices, type Delta } from './delta.js';

/** What the shell has to do. */
export type TextEffect =
  | { do: 'edit'; edit: number; version: number; changes: TextSplice[] }
  /** What shows has changed by this, not by who types here. */
  | { do: 'show'; changes: TextSplice[] }
  /** Something is wrong with what came: subscribe anew. */
  | { do: 'restart' };

/** Where an edit that was sent stands. */
type Sent = { delta: Delta; edit: number; version: number; state: 'waiting' | 'stale' | 'lost' };

/** Changes of the host that positions of an earlier version are moved over. */
const PAST_MAX = 64;

export class TextMachine {
  shown = '';
  marks: readonly MarkInfo[] = [];
  cursors: readonly CursorInfo[] = [];
  isLoaded = false;
  version = 0;
  #host = '';
  #edits = 0;
  #sent: Sent | undefined;
  #typed: Delta = NOTHING;
  /** The subscription is a new one: it knows nothing of what was sent before. */
  #isFresh = true;
  #past: Array<{ version: number; delta: Delta }> = [];
  #ahead: readonly CursorInfo[] | undefined;
  #effects: TextEffect[] = [];

  take(): TextEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** Whether the host has all that was typed. */
  get isSettled(): boolean {
    return !this.#sent && isNothing(this.#typed);
  }

  /** The subscription goes on after the connection was lost, or began anew. */
  began(fresh: boolean): void {
    if (this.#sent) this.#sent.state = 'lost';
    if (fresh) {
      this.#isFresh = true;
      this.#edits = 0;
    } else if (this.#sent) this.#send(this.#sent);
  }

  /** The user has typed. @throws {RangeError} when it is outside of the text. */
  edit(changes: readonly TextSplice[]): void {
    const delta = fromSplices(changes, this.shown.length);
    if (isNothing(delta)) return;
    this.#typed = compose(this.#typed, delta);
    this.#moveShown(delta);
    this.#sendTyped();
  }

  /** The host has taken an edit in. */
  answered(edit: number, version: number): void {
    if (this.#sent?.edit !== edit || this.#isFresh) return;
    this.#taken(version);
    this.#sendTyped();
    this.#reached();
  }

  /** The host has not taken it in, since the text is another one by now. */
  stale(edit: number): void {
    const sent = this.#sent;
    if (sent?.edit !== edit || this.#isFresh) return;
    // The change may have come before this answer.
    if (sent.version !== this.version) this.#send(sent);
    else sent.state = 'stale';
  }

  /** The host refuses what was typed: it is taken back. */
  refused(edit: number): void {
    if (this.#sent?.edit !== edit) return;
    this.#sent = undefined;
    this.#typed = NOTHING;
    this.#show(difference(this.shown, this.#host));
  }

  /** What others changed. */
  change(change: TextChangeInfo): void {
    if (!this.isLoaded || this.#isFresh) return this.#restart();
    // The next version but one: then the one between is the edit that is on its way.
    if (change.version === this.version + 2 && this.#sent?.state === 'waiting') this.#taken(this.version + 1);
    if (change.version !== this.version + 1) return this.#restart();
    let delta: Delta;
    try {
      delta = fromSplices(change.changes, this.#host.length);
    } catch {
      return this.#restart();
    }
    this.#rebase(delta, change.version);
    this.#goOn();
  }

  /** All of the text. */
  value(value: TextValue): void {
    if (this.#sent) {
      const base = apply(this.#sent.delta, this.#host);
      const wasTaken = this.#isFresh
        ? // A new subscription cannot tell: whichever is nearer to what shows there now.
          sizeOf(difference(base, value.content)) < sizeOf(difference(this.#host, value.content))
        : value.edit === this.#sent.edit;
      if (wasTaken) this.#taken(this.version);
    }
    const delta = difference(this.#host, value.content);
    this.#past = [];
    this.#rebase(delta, value.version);
    this.#past = [];
    if (this.#isFresh) {
      this.#isFresh = false;
      // It counts edits from 1.
      if (this.#sent) this.#sent = { ...this.#sent, edit: ++this.#edits, state: 'lost' };
    }
    this.isLoaded = true;
    this.marks = value.marks.map((mark) => this.#forward(mark, ['from', 'to']));
    this.#goOn();
  }

  /** Where others have their cursors. */
  setCursors(cursors: readonly CursorInfo[]): void {
    if (cursors.some((cursor) => cursor.version > this.version)) {
      this.#ahead = cursors;
      return;
    }
    this.#ahead = undefined;
    this.cursors = cursors.map((cursor) => {
      let { anchor, head } = cursor;
      for (const { version, delta } of this.#past) {
        if (version <= cursor.version) continue;
        [anchor, head] = [mapPosition(anchor, delta), mapPosition(head, delta)];
      }
      return this.#forward({ ...cursor, anchor, head }, ['anchor', 'head']);
    });
  }

  /** The edit on its way is in. */
  #taken(version: number): void {
    const sent = this.#sent;
    if (!sent) return;
    this.#sent = undefined;
    this.#host = apply(sent.delta, this.#host);
    this.version = version;
    this.#remember(version, sent.delta);
  }

  /** Takes a change of the host under what is typed here. */
  #rebase(delta: Delta, version: number): void {
    this.#host = apply(delta, this.#host);
    this.version = version;
    this.#remember(version, delta);
    let over = delta;
    if (this.#sent) {
      const { delta: sent } = this.#sent;
      this.#sent = { ...this.#sent, delta: map(sent, over, false) };
      over = map(over, sent, true);
    }
    const typed = this.#typed;
    this.#typed = map(typed, over, false);
    this.#show(map(over, typed, true));
  }

  #goOn(): void {
    if (this.#sent && this.#sent.state !== 'waiting') this.#send(this.#sent);
    else this.#sendTyped();
    this.#reached();
  }

  /** Cursors of a version that is here now. */
  #reached(): void {
    if (this.#ahead) this.setCursors(this.#ahead);
  }

  #sendTyped(): void {
    if (this.#sent || isNothing(this.#typed) || !this.isLoaded || this.#isFresh) return;
    const delta = this.#typed;
    this.#typed = NOTHING;
    this.#send({ delta, edit: ++this.#edits, version: 0, state: 'waiting' });
  }

  #send(sent: Sent): void {
    if (isNothing(sent.delta)) {
      // Others have done the same: there is nothing left to do.
      this.#sent = undefined;
      this.#sendTyped();
      return;
    }
    this.#sent = { ...sent, version: this.version, state: 'waiting' };
    this.#effects.push({ do: 'edit', edit: sent.edit, version: this.version, changes: toSplices(sent.delta) });
  }

  #show(delta: Delta): void {
    if (isNothing(delta)) return;
    this.#moveShown(delta);
    this.#effects.push({ do: 'show', changes: toSplices(delta) });
  }

  #moveShown(delta: Delta): void {
    this.shown = apply(delta, this.shown);
    if (this.cursors.length > 0) this.cursors = this.cursors.map((cursor) => moved(cursor, ['anchor', 'head'], delta));
    if (this.marks.length > 0) this.marks = this.marks.map((mark) => moved(mark, ['from', 'to'], delta)).filter((mark) => mark.from < mark.to);
  }

  /** Positions of the host's text as they are in what shows. */
  #forward<T>(thing: T, keys: ReadonlyArray<keyof T>): T {
    const sent = this.#sent ? moved(thing, keys, this.#sent.delta) : thing;
    return moved(sent, keys, this.#typed);
  }

  #remember(version: number, delta: Delta): void {
    this.#past.push({ version, delta });
    if (this.#past.length > PAST_MAX) this.#past.shift();
  }

  #restart(): void {
    this.#effects.push({ do: 'restart' });
  }
}

function moved<T>(thing: T, keys: ReadonlyArray<keyof T>, delta: Delta): T {
  if (isNothing(delta)) return thing;
  const copy = { ...thing };
  for (const key of keys) copy[key] = mapPosition(thing[key] as number, delta) as T[keyof T];
  return copy;
}
