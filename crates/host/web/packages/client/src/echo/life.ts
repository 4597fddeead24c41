/** Whether a space can be read, and the time at which what was followed of it begins again. */
import type { Store } from '../api/store.js';
import type { Context } from '../context.js';
import { follow } from '../core/live.js';
import { Cell } from '../core/store.js';
import { HostError } from '../errors.js';
import type { SpaceInfo, SpaceStateInfo } from '../generated/protocol.js';

/** How long to wait before what ended is looked at, and at most when it ends again and again. */
const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 5000;
/** What ends so long after it began ended for a reason of its own. */
const STEADY_MS = 10_000;

/** Whether objects can be read in a state. */
export function isReadable(state: SpaceStateInfo): boolean {
  return state === 'ready' || state === 'inactive';
}

/**
 * A space that is closed ends what is followed of it. The list of spaces may not tell of one that
 * is open again within a blink: so whatever ends has the state asked for, until the space can be
 * read.
 */
export class Life {
  readonly #opened = new Cell(0);
  #wasReadable: boolean;
  #pauseMs = PAUSE_MS_MIN;
  #openedAt = 0;
  #isWaiting = false;

  constructor(
    private readonly context: Context,
    private readonly key: string,
    state: SpaceStateInfo,
    private readonly heard: (info: SpaceInfo) => void,
  ) {
    this.#wasReadable = isReadable(state);
  }

  /** Changes whenever what had ended is to be tried again. */
  get opened(): Store<unknown> {
    return this.#opened;
  }

  /** What is known of its state. */
  told(state: SpaceStateInfo): void {
    const isReadableNow = isReadable(state);
    if (isReadableNow && !this.#wasReadable) this.#open();
    this.#wasReadable = isReadableNow;
  }

  /** The host has ended something of it. */
  readonly ended = (error: Error | undefined): void => {
    const helps = error === undefined || (error instanceof HostError && (error.action === 'retry' || error.action === 'openSpace'));
    if (!helps || this.#isWaiting || this.context.link.state.get() === 'closed') return;
    this.#isWaiting = true;
    this.#pauseMs = Date.now() - this.#openedAt > STEADY_MS ? PAUSE_MS_MIN : Math.min(this.#pauseMs * 2, PAUSE_MS_MAX);
    const timer = setTimeout(() => this.#look(), this.#pauseMs);
    // On Node it keeps no program from ending.
    (timer as { unref?: () => void }).unref?.();
  };

  #look(): void {
    const done = (): void => {
      this.#isWaiting = false;
      stop();
    };
    const stop = follow(
      this.context.link,
      { topic: 'space', space: this.key },
      [],
      (_kind, value) => {
        const info = value as SpaceInfo;
        if (isReadable(info.state)) {
          done();
          this.#open();
        }
        this.heard(info);
      },
      // It was deleted, or the client is no longer active: the list of spaces tells when it is here.
      done,
    );
  }

  #open(): void {
    this.#openedAt = Date.now();
    this.#opened.set(this.#opened.get() + 1);
  }
}
