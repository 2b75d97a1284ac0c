import { arrayOf, type JsonObject, numberOf, textOf } from '../../json-value.ts';
import { InvalidRequestError } from '../conversation.ts';
import { embeddedTokens, vectorOf } from '../embedding.ts';
import type { PlainReply } from '../vendor.ts';

const DIMENSIONS_DEFAULT = 1_536;
const DIMENSIONS_MAX = 3_072;
const INPUTS_MAX = 2_048;

function base64Of(vector: readonly number[]): string {
  return Buffer.from(Float32Array.from(vector).buffer).toString('base64');
}

/** Answers a body of `/v1/embeddings`. Throws `InvalidRequestError`. */
export function embeddings(body: JsonObject): PlainReply {
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
  const inputTokens = embeddedTokens(inputs);
  const usage = { prompt_tokens: inputTokens, total_tokens: inputTokens };
  return { model, reply: { object: 'list', data, model, usage }, inputTokens };
}
