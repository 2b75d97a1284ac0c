/**
 * Messages between services are nearly always exactly what their schema says, and zod, at the rate of
 * one in a while among everything else that runs, takes 3 to 8 µs to agree. So what crosses the bus
 * for every request has a predicate beside its schema that says yes in a tenth of that, and only to
 * values that the schema would give back as they are. Everything else goes to the schema: what it
 * refuses, and says why, and what it completes or strips.
 */
import type { z } from 'zod';

/** Gives the value back, checked, or throws what is wrong with it. */
export interface Check<Value> {
  parse(value: unknown): Value;
}

/** The schema, behind a predicate that is true only for values that the schema would not change. */
export function exactOr<Value>(
  isExact: (value: unknown) => boolean,
  schema: z.ZodType<Value>,
): Check<Value> {
  return { parse: (value) => (isExact(value) ? (value as Value) : schema.parse(value)) };
}

type Fields = Readonly<Record<string, unknown>>;

const NO_FIELDS: Fields = Object.freeze({});

/** The value as an object, to look at its fields; one without any for everything else. */
export function fieldsOf(value: unknown): Fields {
  return isObject(value) ? value : NO_FIELDS;
}

/** Whether it is an object with so many fields, of which absent optional ones are none. */
export function hasFields(value: unknown, count: number): boolean {
  if (!isObject(value)) return false;
  let found = 0;
  for (const _ in value) found += 1;
  return found === count;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** 1 for an optional field that is there. */
export function present(value: unknown): 0 | 1 {
  return value === undefined ? 0 : 1;
}

export function isText(value: unknown): value is string {
  return typeof value === 'string';
}

export function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}

/** A number from 0. */
export function isAmountOrAbsent(value: unknown): boolean {
  return value === undefined || (Number.isFinite(value) && (value as number) >= 0);
}

export function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

export function isBooleanOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === 'boolean';
}

/** A whole number that JSON keeps as it is. */
export function isWhole(value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): boolean {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}

/** An array within these bounds of which each entry passes. */
export function isListOf(
  value: unknown,
  isEntry: (entry: unknown) => boolean,
  {
    min = 0,
    max = Number.POSITIVE_INFINITY,
  }: { readonly min?: number; readonly max?: number } = {},
): boolean {
  if (!Array.isArray(value) || value.length < min || value.length > max) return false;
  for (const entry of value) if (!isEntry(entry)) return false;
  return true;
}

/** As we make them: UUID version 7 in lower case. */
const REQUEST_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export function isRequestId(value: unknown): boolean {
  return typeof value === 'string' && REQUEST_ID.test(value);
}
