import { isObject, type JsonObject } from '../json/read-json.ts';
import { camelName } from './camel-names.ts';

const COUNTS = new Set([
  'minItems',
  'maxItems',
  'minLength',
  'maxLength',
  'minProperties',
  'maxProperties',
]);

/**
 * Google's own schema, which is a part of OpenAPI's, as a JSON schema: types in lower case, `nullable`
 * as a type, counts as numbers. The order of properties is the order of writing there.
 * @see https://ai.google.dev/api/caching#Schema
 */
export function jsonSchemaFrom(schema: JsonObject): JsonObject {
  const members = Object.entries(schema).flatMap(([spelled, value]) => {
    const name = camelName(spelled);
    if (value === null || name === 'nullable' || name === 'propertyOrdering') return [];
    return [[name, memberOf(name, value)] as const];
  });
  const converted = Object.fromEntries(members);
  return schema.nullable === true ? asNullable(converted) : converted;
}

function memberOf(name: string, value: unknown): unknown {
  if (name === 'type' && typeof value === 'string') return value.toLowerCase();
  if (COUNTS.has(name)) return Number(value);
  if (name === 'items' && isObject(value)) return jsonSchemaFrom(value);
  if (name === 'anyOf' && Array.isArray(value)) return value.map(schemaOr);
  if (name === 'properties' && isObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([property, schema]) => [property, schemaOr(schema)]),
    );
  }
  return value;
}

function schemaOr(value: unknown): unknown {
  return isObject(value) ? jsonSchemaFrom(value) : value;
}

function asNullable(schema: JsonObject): JsonObject {
  if (typeof schema.type !== 'string') return { anyOf: [schema, { type: 'null' }] };
  const nullable = { ...schema, type: [schema.type, 'null'] };
  return Array.isArray(schema.enum) ? { ...nullable, enum: [...schema.enum, null] } : nullable;
}
