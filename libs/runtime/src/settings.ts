import { closeSync, openSync, readSync } from 'node:fs';
import { type Environment, type Field, InvalidSetting } from './settings-fields.ts';

const SECRET_FILE_BYTES_MAX = 64 * 1024;
const CONTROL_CHARACTER = /\p{Cc}/u;

/** Everything that is wrong with the settings of a process, each problem naming its variable. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`${problems.length} wrong settings:\n${problems.join('\n')}`);
    this.problems = problems;
  }
}

type Fields = Readonly<Record<string, Field<unknown>>>;
type ValuesOf<Schema extends Fields> = {
  readonly [Name in keyof Schema]: Schema[Name] extends Field<infer Value> ? Value : never;
};

/**
 * Reads the fields from the environment. Throws one `SettingsError` with every problem; no problem
 * repeats a value, since a key put into the wrong variable is still a key. An empty variable counts
 * as unset. Rules over several fields go into `check`, which reports through its second argument
 * and runs when each field is right by itself.
 *
 *     export function readSettings(environment: Environment) {
 *       return parseSettings(
 *         {
 *           redisUrl: secretUrl('REDIS_URL', { protocols: ['redis'], description: '…' }),
 *           entryBytesMax: integer('CACHE_ENTRY_BYTES', { default: 1_048_576, min: 1, … }),
 *         },
 *         environment,
 *       );
 *     }
 */
export function parseSettings<Schema extends Fields>(
  schema: Schema,
  environment: Environment,
  check?: (values: ValuesOf<Schema>, report: (problem: string) => void) => void,
): ValuesOf<Schema> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [property, field] of Object.entries(schema)) {
    try {
      values[property] = readField(field, environment);
    } catch (error) {
      if (!(error instanceof InvalidSetting)) throw error;
      problems.push(error.message);
    }
  }
  const result = values as ValuesOf<Schema>;
  if (problems.length === 0) check?.(result, (problem) => problems.push(problem));
  if (problems.length > 0) throw new SettingsError(problems);
  return result;
}

type Readers = Readonly<Record<string, () => unknown>>;

/**
 * Runs several readers and throws one `SettingsError` with the problems of all of them:
 * `readAllSettings({ ingress: () => readIngressSettings(environment), … })`.
 */
export function readAllSettings<All extends Readers>(
  readers: All,
): { readonly [Name in keyof All]: ReturnType<All[Name]> } {
  const problems = new Set<string>();
  const values: Record<string, unknown> = {};
  for (const [name, read] of Object.entries(readers)) {
    try {
      values[name] = read();
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      for (const problem of error.problems) problems.add(problem);
    }
  }
  if (problems.size > 0) throw new SettingsError([...problems]);
  return values as { readonly [Name in keyof All]: ReturnType<All[Name]> };
}

function readField(field: Field<unknown>, environment: Environment): unknown {
  for (const name of field.names) {
    const text = field.isSecret ? readSecretText(name, environment) : environment[name]?.trim();
    if (!text) continue;
    if (!field.hasLines && CONTROL_CHARACTER.test(text)) {
      throw new InvalidSetting(`${name} must be one line without control characters`);
    }
    return parseNamed(name, text, field);
  }
  if (field.absent !== undefined) return field.absent.value;
  const [name] = field.names;
  const howElse = field.isSecret ? `, or ${name}_FILE to a file that holds it` : '';
  throw new InvalidSetting(`${name} is required: set it${howElse} (${field.description})`);
}

function parseNamed(name: string, text: string, field: Field<unknown>): unknown {
  try {
    return field.parse(text);
  } catch (error) {
    if (!(error instanceof InvalidSetting)) throw error;
    throw new InvalidSetting(`${name} ${error.message} (${field.description})`);
  }
}

/** The value of `NAME`, or the content of the file that `NAME_FILE` names. */
function readSecretText(name: string, environment: Environment): string | undefined {
  const direct = environment[name]?.trim();
  const path = environment[`${name}_FILE`]?.trim();
  if (direct && path) {
    throw new InvalidSetting(`${name} and ${name}_FILE are both set: unset one of them`);
  }
  return path ? readSecretFile(`${name}_FILE`, path) : direct;
}

/** Editors and `echo` end a file with a newline that is no part of the secret. */
function readSecretFile(name: string, path: string): string {
  let content: Buffer;
  try {
    content = readBounded(path, SECRET_FILE_BYTES_MAX + 1);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${error.code})` : '';
    throw new InvalidSetting(`${name} names a file that cannot be read${code}`);
  }
  if (content.length > SECRET_FILE_BYTES_MAX) {
    throw new InvalidSetting(`${name} names a file of more than ${SECRET_FILE_BYTES_MAX} bytes`);
  }
  const value = content.toString('utf8').replace(/\r?\n$/, '');
  if (value === '') throw new InvalidSetting(`${name} names an empty file`);
  return value;
}

function readBounded(path: string, bytesMax: number): Buffer {
  const descriptor = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(bytesMax);
    let length = 0;
    while (length < bytesMax) {
      const count = readSync(descriptor, buffer, length, bytesMax - length, null);
      if (count === 0) break;
      length += count;
    }
    return buffer.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}
