import { invalidField } from '../chat/invalid-field.ts';
import { isObject, type JsonObject } from '../json/read-json.ts';

/** Fields whose value has names that are the client's own, not Google's. */
const FREE_FORM = new Set([
  'args',
  'partialArgs',
  'response',
  'responseSchema',
  'responseJsonSchema',
  'parameters',
  'parametersJsonSchema',
  'labels',
]);

/**
 * The same request with every name of Google's in camel case. Google takes `inline_data` for
 * `inlineData` everywhere. Throws `invalid_request` for a field that is there in both spellings:
 * what is checked and what is meant could differ.
 */
export function camelNames(value: unknown, path = ''): unknown {
  if (Array.isArray(value)) {
    return value.map((entry, index) => camelNames(entry, `${path}[${index}]`));
  }
  if (!isObject(value)) return value;
  const members: [string, unknown][] = [];
  const seen = new Set<string>();
  for (const [spelled, member] of Object.entries(value)) {
    const name = camelName(spelled);
    const where = path === '' ? name : `${path}.${name}`;
    if (seen.has(name)) {
      throw invalidField(where, `The field '${where}' is there in two spellings.`, 'duplicate_key');
    }
    seen.add(name);
    members.push([name, FREE_FORM.has(name) ? member : camelNames(member, where)]);
  }
  return Object.fromEntries(members) satisfies JsonObject;
}

export function camelName(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}
