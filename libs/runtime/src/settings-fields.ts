import { neverLog } from '@gateway/telemetry';
import { Secret } from './secret.ts';

/** The variables a process was started with, as Node.js gives them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Thrown by a field's `parse`; the message completes "NAME …" and never repeats the value. */
export class InvalidSetting extends Error {
  override readonly name = 'InvalidSetting';
}

/** One setting: where it is read from and what it becomes. */
export type Field<Value> = {
  readonly names: readonly [string, ...string[]];
  readonly description: string;
  /** Whether `NAME_FILE` may name a file that holds the value. */
  readonly isSecret: boolean;
  /** Whether the value may have several lines, such as a key file in JSON. */
  readonly hasLines?: boolean;
  /** Turns the text into the value, or throws an `InvalidSetting`. */
  readonly parse: (text: string) => Value;
  /** What stands in for an absent setting; without it the setting is required. */
  readonly absent?: { readonly value: Value };
};

export type FieldOptions<Value> = {
  /** What the setting does, for people. */
  readonly description: string;
  readonly default?: Value;
  /** An absent setting is `undefined` instead of a problem. */
  readonly optional?: true;
  /** Other names the field's users know it by. The first one that is set counts. */
  readonly aliases?: readonly string[];
};

type Outcome<Value, Options> = Options extends { readonly optional: true }
  ? Value | undefined
  : Value;

const PORT_MAX = 65_535;
const SECONDS_MAX = 24 * 60 * 60;
const LIST_ITEMS_MAX = 100;

/** Any text. */
export function text<Options extends FieldOptions<string>>(
  name: string,
  options: Options,
): Field<Outcome<string, Options>> {
  return field(name, options, (value) => value);
}

/** A whole number between `min` and `max`, both included. */
export function integer<
  Options extends FieldOptions<number> & { readonly min: number; readonly max: number },
>(name: string, options: Options): Field<Outcome<number, Options>> {
  const { min, max } = options;
  return field(name, options, (value) => {
    const parsed = /^[+-]?\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    if (Number.isSafeInteger(parsed) && parsed >= min && parsed <= max) return parsed;
    throw new InvalidSetting(`must be a whole number from ${min} to ${max}`);
  });
}

/** A TCP port to listen on; 0 lets the system choose one. */
export function port<Options extends FieldOptions<number>>(
  name: string,
  options: Options,
): Field<Outcome<number, Options>> {
  return integer(name, { ...options, min: 0, max: PORT_MAX });
}

/** A duration given in seconds, fractions allowed. Its value is in milliseconds, as its default. */
export function seconds<
  Options extends FieldOptions<number> & { readonly min?: number; readonly max?: number },
>(name: string, options: Options): Field<Outcome<number, Options>> {
  const { min = 0, max = SECONDS_MAX } = options;
  return field(name, options, (value) => {
    const parsed = /^\d{1,9}(\.\d{1,3})?$/.test(value) ? Number(value) : Number.NaN;
    if (parsed >= min && parsed <= max) return Math.round(parsed * 1000);
    throw new InvalidSetting(`must be a number of seconds from ${min} to ${max}`);
  });
}

/** `true`, `1`, `yes`, `on` or `false`, `0`, `no`, `off`. */
export function flag<Options extends FieldOptions<boolean>>(
  name: string,
  options: Options,
): Field<Outcome<boolean, Options>> {
  return field(name, options, (value) => {
    const word = value.toLowerCase();
    if (['true', '1', 'yes', 'on'].includes(word)) return true;
    if (['false', '0', 'no', 'off'].includes(word)) return false;
    throw new InvalidSetting('must be true or false');
  });
}

/** One word of a closed list. */
export function oneOf<const Word extends string, Options extends FieldOptions<Word>>(
  name: string,
  words: readonly Word[],
  options: Options,
): Field<Outcome<Word, Options>> {
  return field(name, options, (value) => {
    const word = words.find((known) => known === value);
    if (word !== undefined) return word;
    throw new InvalidSetting(`must be one of ${words.join(', ')}`);
  });
}

/** Up to 100 words, separated by commas. */
export function list<Options extends FieldOptions<readonly string[]>>(
  name: string,
  options: Options,
): Field<Outcome<readonly string[], Options>> {
  return field(name, options, (value): readonly string[] => {
    const items = value.split(',').map((item) => item.trim());
    const isWhole = items.every((item) => item !== '') && items.length <= LIST_ITEMS_MAX;
    if (isWhole) return items;
    throw new InvalidSetting(
      `must be at most ${LIST_ITEMS_MAX} values separated by commas, none of them empty`,
    );
  });
}

type UrlOptions = { readonly protocols: readonly string[] };

/** A URL with one of the given protocols (without colon) and no credentials in it. */
export function url<Options extends FieldOptions<string> & UrlOptions>(
  name: string,
  options: Options,
): Field<Outcome<string, Options>> {
  return field(name, options, (value) => {
    const parsed = parseUrl(value, options.protocols);
    if (parsed.username === '' && parsed.password === '') return value;
    throw new InvalidSetting('must not hold a user name or password');
  });
}

export type SecretOptions = FieldOptions<Secret> & {
  readonly lengthMin?: number;
  /** Whether it may have several lines; otherwise a second line is a problem. */
  readonly hasLines?: boolean;
};

/** A secret; also as `NAME_FILE`. */
export function secret<Options extends SecretOptions>(
  name: string,
  options: Options,
): Field<Outcome<Secret, Options>> {
  const { lengthMin = 1, hasLines = false } = options;
  const parse = (value: string) => {
    if (value.length < lengthMin) {
      throw new InvalidSetting(`must have at least ${lengthMin} characters`);
    }
    return new Secret(value);
  };
  return { ...secretField(name, options, parse), hasLines };
}

/** A URL that may hold a password, so that the whole of it is a secret; also as `NAME_FILE`. */
export function secretUrl<Options extends FieldOptions<Secret> & UrlOptions>(
  name: string,
  options: Options,
): Field<Outcome<Secret, Options>> {
  return secretField(name, options, (value) => {
    const { password } = parseUrl(value, options.protocols);
    neverLog(password);
    neverLog(safelyDecoded(password));
    return new Secret(value);
  });
}

function parseUrl(value: string, protocols: readonly string[]): URL {
  const parsed = URL.canParse(value) ? new URL(value) : undefined;
  if (parsed && parsed.hostname !== '' && protocols.includes(parsed.protocol.slice(0, -1))) {
    return parsed;
  }
  const examples = protocols.map((protocol) => `${protocol}://host`);
  throw new InvalidSetting(`must be a URL such as ${examples.join(' or ')}`);
}

function safelyDecoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

function secretField<Value, Options extends FieldOptions<Value>>(
  name: string,
  options: Options,
  parse: (text: string) => Value,
): Field<Outcome<Value, Options>> {
  return { ...field(name, options, parse), isSecret: true };
}

function field<Value, Options extends FieldOptions<Value>>(
  name: string,
  options: Options,
  parse: (text: string) => Value,
): Field<Outcome<Value, Options>> {
  const { description, aliases = [] } = options;
  // An optional field alone may be undefined, and that is what Outcome says of it.
  const absent = { value: options.default as Outcome<Value, Options> };
  return {
    names: [name, ...aliases],
    description,
    isSecret: false,
    parse: parse as (text: string) => Outcome<Value, Options>,
    ...(options.default === undefined && !options.optional ? {} : { absent }),
  };
}
