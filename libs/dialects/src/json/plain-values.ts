/** Questions that a quick check asks of values which a schema would judge slowly. */

export function isText(value: unknown): boolean {
  return value == null || typeof value === 'string';
}

export function isIndex(value: unknown): boolean {
  return value == null || Number.isSafeInteger(value);
}

export function isCount(value: unknown): boolean {
  return value == null || Number.isFinite(value);
}

export function isList(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return value == null || (Array.isArray(value) && value.every(isItem));
}
