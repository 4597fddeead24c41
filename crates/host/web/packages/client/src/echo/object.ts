/** One object, kept up to date. */
import type { EchoObject } from '../api/object.js';
import type { Live, Store } from '../api/store.js';
import { Demand, loaded } from '../core/live.js';
import type { Subscription } from '../core/link.js';
import { Cell } from '../core/store.js';
import type { ObjectInfo } from '../generated/protocol.js';
import type { Database } from './database.js';

export class LiveObject implements Live<EchoObject | undefined> {
  readonly #object: Cell<EchoObject | undefined>;
  readonly #loaded = new Cell(false);
  readonly #error = new Cell<Error | undefined>(undefined);
  readonly #demand: Demand;
  #subscription: Subscription | undefined;
  #unwatch: () => void = () => {};

  constructor(
    private readonly db: Database,
    private readonly id: string,
    dropped: () => void,
  ) {
    this.#object = new Cell(db.view(id, false));
    this.#demand = new Demand(
      () => {
        db.register(this);
        db.layer.follow(id);
        this.#unwatch = db.watchRetry(() => this.#begin());
        this.#begin();
        this.refresh();
      },
      () => {
        this.#unwatch();
        this.#subscription?.close();
        this.#subscription = undefined;
        db.unregister(this);
        db.layer.unfollow(id);
        this.#loaded.set(false);
        dropped();
      },
    );
  }

  readonly get = (): EchoObject | undefined => this.#object.get();

  readonly subscribe = (listener: () => void): (() => void) => {
    const stop = this.#object.subscribe(listener);
    const release = this.#demand.hold();
    this.#begin();
    return () => {
      stop();
      release();
    };
  };

  get loaded(): Store<boolean> {
    return this.#loaded;
  }

  get error(): Store<Error | undefined> {
    return this.#error;
  }

  readonly load = (): Promise<EchoObject | undefined> => loaded(this, this.#demand.hold);

  #begin(): void {
    if (this.#subscription || !this.#demand.isOn) return;
    this.#subscription = this.db.link.subscribe(
      { topic: 'object', space: this.db.spaceKey, object: this.id },
      {
        event: (_kind, value) => {
          if (value) this.db.layer.told(value as ObjectInfo, this);
          else this.db.layer.toldNone(this.id, this);
          this.#error.set(undefined);
          this.db.changed(this);
          this.#loaded.set(true);
        },
        end: (error) => {
          this.#subscription = undefined;
          this.#error.set(error);
          this.db.ended(error);
        },
      },
    );
  }

  forget(): void {}

  refresh(): void {
    this.#object.set(this.db.view(this.id, false));
  }
}
