/** Values of objects as live JavaScript: reading gives what shows, assigning writes. */
import type { EchoProperties, EchoValue } from '../generated/protocol.js';
import { define } from '../core/store.js';
import { isEqual } from './change.js';
import { LIST_METHODS } from './list.js';
import type { Place } from './place.js';
import { AS_VALUE, Counter, decode, decodeLeaf, encode, inside, innerKey, kindOf, outerKey } from './values.js';

/** What stands for the value at a place; undefined where there is none. */
export function bind(place: Place, value: EchoValue | undefined): unknown {
  const kind = kindOf(value);
  if (value === undefined || kind === 'plain') return value;
  if (kind === 'map') return bindMap(place);
  if (kind === 'list') return bindList(place);
  if (kind === 'set') return new BoundSet(place);
  if (kind === 'counter') return new BoundCounter(place, inside(value) as number);
  return decodeLeaf(value, kind);
}

/** What is made of the values inside of one, once for as long as it does not change. */
class Contents<T extends object> {
  #from: EchoValue | undefined;
  #isFilled = false;

  constructor(
    readonly place: Place,
    readonly target: T,
    private readonly fill: (target: T, value: EchoValue | undefined) => void,
  ) {}

  refresh(): T {
    const value = this.place.read();
    if (!this.#isFilled || !Object.is(value, this.#from)) {
      this.fill(this.target, value);
      this.#from = value;
      this.#isFilled = true;
    }
    return this.target;
  }
}

/** What a map shows besides its properties, and where the object keeps it. */
export type Extras = (key: PropertyKey) => { value: unknown } | undefined;

/** A map, or all properties of an object: then `extras` gives what else it has. */
export function bindMap(place: Place, extras: Extras = () => undefined): object {
  // Values that did not change keep what stands for them.
  const kept = new Map<string, { value: EchoValue; bound: unknown }>();
  const contents = new Contents<Record<string, unknown>>(place, {}, (target, value) => {
    for (const key of Object.keys(target)) delete target[key];
    if (kindOf(value) !== 'map') return;
    for (const [key, field] of Object.entries(value as EchoProperties)) {
      const last = kept.get(key);
      const bound = last && Object.is(last.value, field) ? last.bound : bind(place.at(key), field);
      kept.set(key, { value: field, bound });
      define(target, innerKey(key), bound);
    }
  });
  return new Proxy(contents.target, {
    get(_target, key) {
      if (key === AS_VALUE) return place.read();
      const extra = extras(key);
      if (extra) return extra.value;
      return Reflect.get(contents.refresh(), key);
    },
    has: (_target, key) => extras(key) !== undefined || Reflect.has(contents.refresh(), key),
    ownKeys: () => Reflect.ownKeys(contents.refresh()),
    getOwnPropertyDescriptor: (_target, key) => Reflect.getOwnPropertyDescriptor(contents.refresh(), key),
    set(_target, key, value) {
      if (typeof key === 'symbol' || extras(key)) return false;
      const to = place.at(outerKey(key));
      if (value === undefined) to.change({ op: 'unset' });
      else {
        const encoded = encode(value);
        if (!isEqual(to.read(), encoded)) to.change({ op: 'set', value: encoded });
      }
      return true;
    },
    deleteProperty(_target, key) {
      if (typeof key === 'symbol') return false;
      const from = place.at(outerKey(key));
      if (from.read() !== undefined) from.change({ op: 'unset' });
      return true;
    },
    defineProperty: () => false,
    setPrototypeOf: () => false,
    preventExtensions: () => false,
  });
}

function bindList(place: Place): unknown[] {
  let kept = new Map<EchoValue, unknown>();
  const contents = new Contents<unknown[]>(place, [], (target, value) => {
    const items = kindOf(value) === 'list' ? (value as EchoValue[]) : [];
    const last = kept;
    kept = new Map();
    target.length = 0;
    for (const item of items) {
      const bound = last.get(item) ?? bind(place.item(item), item);
      if (typeof item === 'object' && item !== null) kept.set(item, bound);
      target.push(bound);
    }
  });
  return new Proxy(contents.target, {
    get(_target, key, receiver) {
      if (key === AS_VALUE) return place.read() ?? [];
      const method = typeof key === 'string' && Object.hasOwn(LIST_METHODS, key) ? LIST_METHODS[key] : undefined;
      if (method) return (...given: unknown[]) => method(place, contents.refresh(), given, receiver as unknown[]);
      return Reflect.get(contents.refresh(), key);
    },
    has: (_target, key) => Reflect.has(contents.refresh(), key),
    ownKeys: () => Reflect.ownKeys(contents.refresh()),
    getOwnPropertyDescriptor: (_target, key) => Reflect.getOwnPropertyDescriptor(contents.refresh(), key),
    set(_target, key, value) {
      const { length } = contents.refresh();
      if (key === 'length') {
        if (value > length) throw new RangeError('a list has no empty places');
        if (value < length) place.change({ op: 'listDelete', at: value as number, len: length - (value as number) });
        return true;
      }
      const at = typeof key === 'string' ? Number(key) : NaN;
      if (!Number.isInteger(at) || at < 0 || at > length) throw new RangeError(`a list of ${length} has no place ${String(key)}`);
      if (at === length) place.change({ op: 'listInsert', at, values: [encode(value)] });
      else place.change({ op: 'listSet', at, value: encode(value) });
      return true;
    },
    deleteProperty() {
      throw new TypeError('a list has no empty places: use `splice`');
    },
    defineProperty: () => false,
    setPrototypeOf: () => false,
    preventExtensions: () => false,
  });
}

class BoundCounter extends Counter {
  readonly #place: Place;

  constructor(place: Place, value: number) {
    super(value);
    this.#place = place;
  }

  override get value(): number {
    const value = inside(this.#place.read());
    return typeof value === 'number' ? value : 0;
  }

  override increment(by = 1): void {
    this.#place.change({ op: 'increment', by });
  }
}

/** A set of an object: `add`, `delete` and `clear` write. Members are equal when their values are. */
class BoundSet extends Set<unknown> {
  readonly #place: Place;
  #from: EchoValue | undefined;

  constructor(place: Place) {
    super();
    this.#place = place;
  }

  #values(): EchoValue[] {
    const value = this.#place.read();
    return kindOf(value) === 'set' ? (inside(value) as EchoValue[]) : [];
  }

  /** The members as a set of its own, so that what sets inherit works on what shows now. */
  #refresh(): this {
    const value = this.#place.read();
    if (!Object.is(value, this.#from)) {
      super.clear();
      for (const member of this.#values()) super.add(decode(member));
      this.#from = value;
    }
    return this;
  }

  get [AS_VALUE](): EchoValue {
    return { '@set': this.#values() };
  }

  override get size(): number {
    return this.#values().length;
  }

  override has(member: unknown): boolean {
    const value = encode(member);
    return this.#values().some((one) => isEqual(one, value));
  }

  override add(member: unknown): this {
    // While it is being made, nothing is written.
    if (!this.has(member)) this.#place.change({ op: 'setAdd', values: [encode(member)] });
    return this;
  }

  override delete(member: unknown): boolean {
    if (!this.has(member)) return false;
    this.#place.change({ op: 'setRemove', values: [encode(member)] });
    return true;
  }

  override clear(): void {
    const values = this.#values();
    if (values.length > 0) this.#place.change({ op: 'setRemove', values });
  }

  override values(): SetIterator<unknown> {
    this.#refresh();
    return super.values();
  }

  override keys(): SetIterator<unknown> {
    return this.values();
  }

  override entries(): SetIterator<[unknown, unknown]> {
    this.#refresh();
    return super.entries();
  }

  override forEach(call: (value: unknown, key: unknown, set: Set<unknown>) => void, self?: unknown): void {
    for (const value of this.values()) call.call(self, value, value, this);
  }

  override [Symbol.iterator](): SetIterator<unknown> {
    return this.values();
  }
}
