/**
 * Collections for what comes and goes with every request. A `Set` or a `Map` that outlives its members
 * is dear: V8 leaves in each hash table that it has outgrown a pointer to the next one, so that one in
 * the old generation keeps all that follow, and what these held, until the next collection of the whole
 * heap. Every request was copied there with all that it referred to, 25 KB, which was a fifth of what
 * the process cost. Arrays have no such pointers, and what has left these is not held by anything.
 */

/** Members, in no order, each at a place that is its own for as long as it is there. */
export class InFlight<Member extends object> implements Iterable<Member> {
  readonly #members: (Member | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#members.length - this.#free.length;
  }

  /** The place of the member, by which it leaves. */
  add(member: Member): number {
    const place = this.#free.pop() ?? this.#members.length;
    this.#members[place] = member;
    return place;
  }

  at(place: number): Member | undefined {
    return this.#members[place];
  }

  /** Does nothing where the member has left: its place may be another's. */
  delete(place: number, member: Member): void {
    if (this.#members[place] !== member) return;
    this.#members[place] = undefined;
    this.#free.push(place);
  }

  /** What comes or goes meanwhile is met or not. */
  *[Symbol.iterator](): Generator<Member, void, undefined> {
    for (const member of this.#members) if (member !== undefined) yield member;
  }
}

/** Values by key, of which the map holds places: only keys and numbers are left in outgrown tables. */
export class InFlightMap<Key extends string | number, Value extends object> {
  readonly #places = new Map<Key, number>();
  readonly #values = new InFlight<Value>();

  get size(): number {
    return this.#places.size;
  }

  has(key: Key): boolean {
    return this.#places.has(key);
  }

  get(key: Key): Value | undefined {
    const place = this.#places.get(key);
    return place === undefined ? undefined : this.#values.at(place);
  }

  set(key: Key, value: Value): void {
    this.delete(key);
    this.#places.set(key, this.#values.add(value));
  }

  /** Whether it was there. */
  delete(key: Key): boolean {
    const place = this.#places.get(key);
    if (place === undefined) return false;
    this.#places.delete(key);
    this.#values.delete(place, this.#values.at(place) as Value);
    return true;
  }

  /** In the order in which they came. */
  keys(): IterableIterator<Key> {
    return this.#places.keys();
  }

  /** In no order. What comes or goes meanwhile is met or not. */
  values(): Iterable<Value> {
    return this.#values;
  }
}
