import { createHash } from 'node:crypto';
import { arrayOf, type JsonObject, numberOf, textOf } from '../../json-value.ts';
import { InvalidRequestError } from '../conversation.ts';

const DIMENSIONS_DEFAULT = 1_536;
const DIMENSIONS_MAX = 3_072;
const INPUTS_MAX = 2_048;
const CHARACTERS_PER_TOKEN = 4;

/** A unit vector that depends on the text alone. */
function vectorOf(text: string, dimensions: number): number[] {
  let state = createHash('sha256').update(text).digest().readUInt32LE(0);
  const vector = Array.from({ length: dimensions }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

function base64Of(vector: readonly number[]): string {
  return Buffer.from(Float32Array.from(vector).buffer).toString('base64');
}

/** Answers a body of `/v1/embeddings`. Throws `InvalidRequestError`. */
export function embeddings(body: JsonObject): { reply: JsonObject; inputTokens: number } {
  const model = textOf(body.model);
  const inputs = (typeof body.input === 'string' ? [body.input] : arrayOf(body.input)).map(String);
  if (model === '' || inputs.length === 0 || inputs.length > INPUTS_MAX) {
    throw new InvalidRequestError("'$.input' is invalid.", 'input');
  }
  const dimensions = numberOf(body.dimensions) ?? DIMENSIONS_DEFAULT;
  if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > DIMENSIONS_MAX) {
    throw new InvalidRequestError("Invalid value for 'dimensions'.", 'dimensions');
  }
  const data = inputs.map((text, index) => {
    const vector = vectorOf(text, dimensions);
    const embedding = body.encoding_format === 'base64' ? base64Of(vector) : vector;
    return { object: 'embedding', index, embedding };
  });
  const inputTokens = inputs.reduce(
    (sum, text) => sum + Math.ceil(text.length / CHARACTERS_PER_TOKEN),
    0,
  );
  const usage = { prompt_tokens: inputTokens, total_tokens: inputTokens };
  return { reply: { object: 'list', data, model, usage }, inputTokens };
}
