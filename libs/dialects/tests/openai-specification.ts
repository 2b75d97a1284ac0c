/**
 * OpenAI's own specification as a judge of what we write in its dialects.
 *
 * It is relaxed only where recorded traffic of OpenAI breaks it: a scalar may be null, and a value may
 * fit several branches of a `oneOf`, which overlap. `nullable` without a type is no JSON Schema.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

const SCALARS = ['string', 'number', 'integer', 'boolean'];

export interface Specification {
  /** What is wrong with a value by the schema of that name; empty when nothing is. */
  problems(schema: string, value: unknown): string[];
}

export function openaiSpecification(fixtures: string | undefined): Specification | undefined {
  const path = join(fixtures ?? '', 'spec', 'openai-openapi.yaml');
  if (fixtures === undefined || !existsSync(path)) return undefined;
  const { components } = parse(readFileSync(path, 'utf8')) as { components: { schemas: unknown } };
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'openai', components: { schemas: relaxed(components.schemas) } });
  return {
    problems: (schema, value) => {
      const validate = ajv.getSchema(`openai#/components/schemas/${schema}`);
      if (validate === undefined) throw new Error(`the specification has no ${schema}`);
      if (validate(value)) return [];
      const errors = validate.errors ?? [];
      return errors.map(({ instancePath, message }) => `${instancePath} ${message}`);
    },
  };
}

function relaxed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relaxed);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value)
    .filter(([name]) => name !== 'nullable' && name !== 'discriminator')
    .map(([name, member]) => {
      const isData = name === 'enum' || name === 'const';
      return [name === 'oneOf' ? 'anyOf' : name, isData ? member : relaxed(member)];
    });
  const schema = Object.fromEntries(members) as Record<string, unknown>;
  const isScalar = SCALARS.includes(String(schema.type)) && schema.enum === undefined;
  return isScalar ? { ...schema, type: [schema.type, 'null'] } : schema;
}
