import { arrayOf, isObject, type JsonObject, objectOf, textOf } from '../json-value.ts';

const DEPTH_MAX = 8;

/**
 * A value that a JSON schema accepts, the same one each time: the first of an enumeration, the name
 * of the property for a string, 1 for a number. Type names in capitals are Google's.
 */
export function sampleJson(schema: JsonObject, name = 'value', depth = 0): unknown {
  if ('const' in schema) return schema.const;
  const [first] = arrayOf(schema.enum);
  if (first !== undefined) return first;
  const alternative = arrayOf(schema.anyOf ?? schema.oneOf).find(isObject);
  if (alternative !== undefined && depth < DEPTH_MAX) {
    return sampleJson(alternative, name, depth + 1);
  }
  const [type] = [schema.type].flat();
  switch (textOf(type).toLowerCase()) {
    case 'string':
      return name;
    case 'number':
    case 'integer':
      return 1;
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'array':
      return depth < DEPTH_MAX ? [sampleJson(objectOf(schema.items), name, depth + 1)] : [];
    default:
      return sampleObject(schema, depth);
  }
}

function sampleObject(schema: JsonObject, depth: number): JsonObject {
  if (depth >= DEPTH_MAX) return {};
  const properties = Object.entries(objectOf(schema.properties));
  return Object.fromEntries(
    properties.map(([key, value]) => [key, sampleJson(objectOf(value), key, depth + 1)]),
  );
}
