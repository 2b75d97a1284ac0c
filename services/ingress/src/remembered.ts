/**
 * Values that take longer to find than to look up by a name, and can be found again. At its bound it
 * forgets all of them, which keeps no order and costs each but little.
 */
export class Remembered<Value> {
  readonly #valuesMax: number;
  readonly #values = new Map<string, Value>();

  constructor(valuesMax: number) {
    this.#valuesMax = valuesMax;
  }

  get(name: string): Value | undefined {
    return this.#values.get(name);
  }

  set(name: string, value: Value): void {
    if (this.#values.size >= this.#valuesMax && !this.#values.has(name)) this.#values.clear();
    this.#values.set(name, value);
  }

  forget(): void {
    this.#values.clear();
  }
}
