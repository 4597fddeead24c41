/** Places of values in objects, where they are read and written. */
import type { EchoValue, ObjectOp } from '../generated/protocol.js';
import { changeAt, valueAt, type Change } from './change.js';
import { joinPath, type Parts } from './path.js';

/** Something that has values inside: the properties of an object, or an item of a list. */
export interface Root {
  read(): EchoValue | undefined;
  change(path: Parts, change: Change): void;
}

/** Where one value is. */
export class Place {
  constructor(
    readonly root: Root,
    readonly path: Parts,
  ) {}

  read(): EchoValue | undefined {
    return valueAt(this.root.read(), this.path);
  }

  change(change: Change): void {
    this.root.change(this.path, change);
  }

  at(key: string): Place {
    return new Place(this.root, [...this.path, key]);
  }

  /** The item of the list that is here. */
  item(value: EchoValue): Place {
    return new Place(new ItemRoot(this, value), []);
  }
}

/** The properties of an object. */
export class ObjectRoot implements Root {
  constructor(
    private readonly id: string,
    private readonly readAll: () => EchoValue | undefined,
    private readonly write: (op: ObjectOp) => void,
  ) {}

  read(): EchoValue | undefined {
    return this.readAll();
  }

  change(path: Parts, change: Change): void {
    this.write({ ...change, object: this.id, path: joinPath(path) } as ObjectOp);
  }
}

/** An item of a list: what is changed inside of it is written as the item anew. */
class ItemRoot implements Root {
  constructor(
    private readonly list: Place,
    private value: EchoValue,
  ) {}

  read(): EchoValue {
    return this.value;
  }

  change(path: Parts, change: Change): void {
    const items = this.list.read();
    const at = Array.isArray(items) ? items.indexOf(this.value) : -1;
    if (at < 0) throw new Error('this item of the list has been changed or taken out meanwhile: read it again');
    const value = changeAt(this.value, path, change) ?? null;
    this.list.change({ op: 'listSet', at, value });
    this.value = value;
  }
}
