/**
 * Embeddings in base64, as OpenAI has them: 32-bit floats, the lowest byte first.
 * @see https://platform.openai.com/docs/api-reference/embeddings/create
 */
const FLOAT_BYTES = 4;

export function base64FromVector(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * FLOAT_BYTES);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * FLOAT_BYTES);
  return bytes.toString('base64');
}

/** Undefined for a text that holds no such floats. */
export function vectorFromBase64(text: string): readonly number[] | undefined {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0 || bytes.length % FLOAT_BYTES !== 0) return undefined;
  return Array.from({ length: bytes.length / FLOAT_BYTES }, (_value, index) =>
    bytes.readFloatLE(index * FLOAT_BYTES),
  );
}

export function isVector(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'number');
}
