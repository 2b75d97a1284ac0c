import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

export interface Specification {
  /** What is wrong with a value by the schema of that name; empty when nothing is. */
  problems(schema: string, value: unknown): string[];
}

export interface SpecificationOptions {
  /** Takes what recorded answers of OpenAI hold and the specification forbids. */
  readonly relaxed?: boolean;
  /** Schemas that take no name which they do not know: the API answers 400 for one. */
  readonly closed?: readonly string[];
}

type Schema = Record<string, unknown>;
type Schemas = Record<string, Schema>;

const SCALARS = ['string', 'number', 'integer', 'boolean'];

/**
 * OpenAI's own specification as a judge of what we write in its dialects; undefined where the
 * recordings or it are absent.
 *
 * Relaxed, it gives way only where recorded traffic of OpenAI breaks it: a scalar may be null, a
 * value may fit several branches of a `oneOf`, which overlap, and an embedding may be in base64.
 * Either way `nullable` is read as OpenAPI once defined it: JSON Schema does not know it.
 */
export function openaiSpecification(
  fixtures: string | undefined,
  { relaxed = false, closed = [] }: SpecificationOptions = {},
): Specification | undefined {
  const path = join(fixtures ?? '', 'spec', 'openai-openapi.yaml');
  if (fixtures === undefined || !existsSync(path)) return undefined;
  const { components } = parse(readFileSync(path, 'utf8')) as { components: { schemas: Schemas } };
  const schemas = rewritten(components.schemas, relaxed) as Schemas;
  if (relaxed) takeBase64(schemas);
  for (const name of closed) {
    schemas[name] = { ...named(schemas, name), unevaluatedProperties: false };
  }
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'openai', components: { schemas } });
  return {
    problems: (schema, value) => {
      const validate = ajv.getSchema(`openai#/components/schemas/${schema}`);
      if (validate === undefined) throw new Error(`the specification has no ${schema}`);
      if (validate(value)) return [];
      const errors = validate.errors ?? [];
      return errors.map(
        ({ instancePath, message, params }) =>
          `${instancePath} ${message} ${JSON.stringify(params)}`,
      );
    },
  };
}

function named(schemas: Schemas, name: string): Schema {
  const schema = schemas[name];
  if (schema === undefined) throw new Error(`the specification has no ${name}`);
  return schema;
}

function takeBase64(schemas: Schemas): void {
  const { properties } = named(schemas, 'Embedding') as { properties: Schema };
  properties.embedding = { anyOf: [properties.embedding, { type: 'string' }] };
}

function rewritten(value: unknown, relaxed: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => rewritten(item, relaxed));
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value)
    .filter(([name]) => name !== 'nullable' && name !== 'discriminator')
    .map(([name, member]) => {
      const isData = name === 'enum' || name === 'const';
      const rename = relaxed && name === 'oneOf' ? 'anyOf' : name;
      return [rename, isData ? member : rewritten(member, relaxed)];
    });
  const schema = Object.fromEntries(members) as Schema;
  const isScalar = SCALARS.includes(String(schema.type)) && schema.enum === undefined;
  const isNullable = (value as Schema).nullable === true || (relaxed && isScalar);
  return isNullable ? { anyOf: [schema, { type: 'null' }] } : schema;
}
