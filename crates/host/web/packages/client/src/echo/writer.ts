/** Transactions on their way to the host. */
import type { WriteFailure } from '../api/object.js';
import { Cell } from '../core/store.js';
import type { Link } from '../core/link.js';
import type { Applied, DurabilitySpec, ObjectOp } from '../generated/protocol.js';
import { newObjectId } from './id.js';
import type { Layer } from './layer.js';

/** Bytes of one transaction of what is written in one microtask; more becomes several. */
const BATCH_BYTES = 512 * 1024;
/** How long the host may take to tell of what it has committed until it is asked. */
const SETTLE_MS = 2000;

/** Operations that may be done twice: with the same outcome, whoever lost the answer. */
const REPEATABLE = new Set<ObjectOp['op']>(['create', 'delete', 'restore', 'set', 'unset', 'setAdd', 'setRemove', 'tag', 'untag', 'addKey', 'removeKey', 'setParent']);

export interface WriterOptions {
  readonly link: Link;
  readonly space: string;
  readonly layer: Layer;
  /** Something shows otherwise now. */
  readonly changed: () => void;
  /** A transaction was undone: these show what the host has. */
  readonly undone: (ops: readonly ObjectOp[]) => void;
  /** Ids of which the host has not told anything in time. */
  readonly overdue: (ids: readonly string[], until: number) => void;
}

export class Writer {
  readonly failure = new Cell<WriteFailure | undefined>(undefined);
  readonly unsent = new Cell(0);
  readonly #options: WriterOptions;
  readonly #session = newObjectId();
  #keys = 0;
  #gathering: Array<{ op: ObjectOp; number: number }> = [];
  readonly #open = new Set<Promise<unknown>>();
  #failed: Error | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Shows an operation at once; all of one microtask are one transaction. */
  gather(op: ObjectOp): void {
    if (this.#gathering.length === 0) queueMicrotask(() => this.#sendGathered());
    this.#gathering.push({ op, number: this.#options.layer.write([op]) });
    this.#options.changed();
  }

  /** Runs operations as one transaction. */
  apply(ops: readonly ObjectOp[], durability?: DurabilitySpec): Promise<Applied> {
    // What was written before comes before.
    this.#sendGathered();
    const number = this.#options.layer.write(ops);
    this.#options.changed();
    return this.#send(ops, [number], durability);
  }

  /** Waits for all answers, and fails with the first failure since the last time. */
  async drain(): Promise<void> {
    await this.answered();
    const failed = this.#failed;
    this.#failed = undefined;
    if (failed) throw failed;
  }

  /** Waits for all answers, whatever they are. */
  async answered(): Promise<void> {
    this.#sendGathered();
    await Promise.allSettled([...this.#open]);
  }

  #sendGathered(): void {
    const gathered = this.#gathering;
    this.#gathering = [];
    let from = 0;
    let bytes = 0;
    gathered.forEach(({ op }, at) => {
      // Three bytes a unit at most: an estimate that is not below.
      const size = JSON.stringify(op).length * 3;
      if (at > from && bytes + size > BATCH_BYTES) {
        this.#sendPart(gathered.slice(from, at));
        [from, bytes] = [at, 0];
      }
      bytes += size;
    });
    if (gathered.length > from) this.#sendPart(gathered.slice(from));
  }

  #sendPart(part: Array<{ op: ObjectOp; number: number }>): void {
    const sent = this.#send(part.map(({ op }) => op), part.map(({ number }) => number));
    // Nobody waits for it: `failure` tells, and `flush`.
    sent.catch((error: Error) => (this.#failed ??= error));
  }

  #send(ops: readonly ObjectOp[], numbers: readonly number[], durability?: DurabilitySpec): Promise<Applied> {
    const { link, space } = this.#options;
    const retry = ops.every((op) => REPEATABLE.has(op.op) && (op.op !== 'create' || op.object)) ? 'always' : 'session';
    this.#keys += 1;
    const params = { space, ops: [...ops], key: `${this.#session}${this.#keys}`, ...(durability ? { durability } : {}) };
    this.unsent.set(this.unsent.get() + 1);
    const answer = link.call('echo.apply', params, retry, null).then(
      (applied) => this.#taken(numbers, applied),
      (error: Error) => this.#refused(ops, numbers, error),
    );
    this.#open.add(answer);
    const done = (): void => {
      this.#open.delete(answer);
      this.unsent.set(this.unsent.get() - 1);
    };
    answer.then(done, done);
    return answer;
  }

  #taken(numbers: readonly number[], applied: Applied): Applied {
    const { layer, overdue, changed } = this.#options;
    const waiting = numbers.flatMap((number) => layer.answered(number, applied));
    changed();
    const lamport = applied.committed?.lamport;
    if (lamport !== undefined && waiting.length > 0) {
      const timer = setTimeout(() => overdue(waiting, lamport), SETTLE_MS);
      (timer as { unref?: () => void }).unref?.();
    }
    return applied;
  }

  #refused(ops: readonly ObjectOp[], numbers: readonly number[], error: Error): never {
    const { layer, undone, changed } = this.#options;
    for (const number of numbers) layer.refused(number);
    undone(ops);
    changed();
    this.failure.set({ error, ops });
    throw error;
  }
}
