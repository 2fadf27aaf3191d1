/** A `Map` that holds one entry nearly always, in a quarter of the memory; with more it has a real one inside. */
export class SmallMap<Key, Value> implements Map<Key, Value> {
  #key: Key | undefined = undefined;
  #value: Value | undefined = undefined;
  #size: 0 | 1 = 0;
  #more: Map<Key, Value> | null = null;

  constructor(entries: Iterable<readonly [Key, Value]> = []) {
    for (const [key, value] of entries) this.set(key, value);
  }

  get size(): number {
    return this.#more?.size ?? this.#size;
  }

  get [Symbol.toStringTag](): string {
    return 'SmallMap';
  }

  get(key: Key): Value | undefined {
    if (this.#more !== null) return this.#more.get(key);
    return this.has(key) ? this.#value : undefined;
  }

  has(key: Key): boolean {
    // `Object.is` differs from a Map's equality for −0 only.
    return this.#more?.has(key) ?? (this.#size === 1 && Object.is(this.#key, key));
  }

  set(key: Key, value: Value): this {
    if (this.#more === null && (this.#size === 0 || this.has(key))) {
      this.#key = key;
      this.#value = value;
      this.#size = 1;
      return this;
    }
    this.#more ??= this.#asMap();
    this.#more.set(key, value);
    return this;
  }

  delete(key: Key): boolean {
    if (this.#more !== null) return this.#more.delete(key);
    const held = this.has(key);
    if (held) this.clear();
    return held;
  }

  clear(): void {
    this.#key = undefined;
    this.#value = undefined;
    this.#size = 0;
    this.#more = null;
  }

  forEach(each: (value: Value, key: Key, map: Map<Key, Value>) => void, thisArg?: unknown): void {
    for (const [key, value] of this) each.call(thisArg, value, key, this);
  }

  entries(): MapIterator<[Key, Value]> {
    return this.#asMap().entries();
  }

  keys(): MapIterator<Key> {
    return this.#asMap().keys();
  }

  values(): MapIterator<Value> {
    return this.#asMap().values();
  }

  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.entries();
  }

  /** A copy where there is one entry: it may be deleted meanwhile. */
  #asMap(): Map<Key, Value> {
    return this.#more ?? new Map(this.#size === 0 ? [] : [[this.#key as Key, this.#value as Value]]);
  }
}
