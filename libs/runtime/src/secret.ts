import { inspect } from 'node:util';
import { neverLog } from '@gateway/telemetry';

const MASK = '[secret]';

/**
 * A value that cannot be printed by accident: text, JSON and `inspect` show `[secret]`. Its value
 * is also replaced in every log line, wherever it comes from.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
    neverLog(value);
  }

  /** The value itself. Call it at the last moment, where the value is used. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}
