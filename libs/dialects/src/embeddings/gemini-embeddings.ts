/** Google's embeddings: what is sent to Google, and what its clients get. */
import type { AnswerRecord } from '../answer-record.ts';
import { invalidField } from '../chat/invalid-field.ts';
import { badAnswer } from '../chat/read-answer.ts';
import { errorInGeminiAnswer } from '../gemini/error.ts';
import { modelName, modelPath } from '../gemini/model-path.ts';
import { usageFromGemini } from '../gemini/usage.ts';
import { isObject, type JsonObject } from '../json/read-json.ts';
import type { EmbedContent } from './embed-content-request.ts';
import type { EmbeddingsRequest } from './embeddings-request.ts';
import { isVector } from './vector.ts';

export function embedPath(model: string, isBatch: boolean): string {
  return `/v1beta/${modelPath(model)}:${isBatch ? 'batchEmbedContents' : 'embedContent'}`;
}

/** A batch, of one where there is one input. Throws `invalid_request` for tokens. */
export function batchFromEmbeddings(request: EmbeddingsRequest, model: string): JsonObject {
  const inputs = typeof request.input === 'string' ? [request.input] : request.input;
  return {
    requests: inputs.map((input) => {
      if (typeof input !== 'string') {
        const message = "Invalid 'input': models of Google embed text, not tokens.";
        throw invalidField('input', message, 'unsupported_value');
      }
      return {
        model: modelName(model),
        content: { parts: [{ text: input }] },
        ...(request.dimensions != null && { outputDimensionality: request.dimensions }),
      };
    }),
  };
}

/**
 * A client's contents as a request of OpenAI. What the text is for (`taskType`, `title`) is dropped:
 * other vendors' models do not ask. Throws `invalid_request` for what is no text.
 */
export function embeddingsFromContents(requests: readonly EmbedContent[]): JsonObject {
  const sizes = new Set(requests.map(dimensionsOf));
  if (sizes.size > 1) {
    const param = 'requests[1].outputDimensionality';
    const message = `Invalid '${param}': expected the same for all requests with this model.`;
    throw invalidField(param, message, 'unsupported_value');
  }
  const [dimensions] = sizes;
  return {
    input: requests.map(({ content }, index) =>
      (content.parts ?? []).map(({ text }, place) => text ?? refuse(index, place)).join(''),
    ),
    encoding_format: 'float',
    ...(dimensions !== undefined && { dimensions }),
  };
}

function dimensionsOf({ outputDimensionality, embedContentConfig }: EmbedContent) {
  return embedContentConfig?.outputDimensionality ?? outputDimensionality ?? undefined;
}

function refuse(index: number, place: number): never {
  const param = `requests[${index}].content.parts[${place}]`;
  const message = `Invalid '${param}': this model embeds nothing but text.`;
  throw invalidField(param, message, 'unsupported_value');
}

/** The vectors of Google's answer to a batch; notes the facts. Throws `provider_bad_response`. */
export function readEmbedContents(
  value: unknown,
  record: AnswerRecord,
): readonly (readonly number[])[] {
  const error = errorInGeminiAnswer(value);
  if (error !== undefined) throw error;
  if (!isObject(value)) throw badAnswer('the answer is not an object');
  if (isObject(value.usageMetadata)) record.count(usageFromGemini(value.usageMetadata));
  const held = value.embeddings ?? [value.embedding];
  return (Array.isArray(held) ? held : []).map((entry: unknown) => {
    const values = isObject(entry) ? entry.values : undefined;
    if (!isVector(values)) throw badAnswer('an entry of the answer has no values');
    return values;
  });
}

/** The body of an answer that came in another dialect. */
export function writeEmbedContents(
  vectors: readonly (readonly number[])[],
  inputTokens: number,
  isBatch: boolean,
): JsonObject {
  const embeddings = vectors.map((values) => ({ values }));
  const usageMetadata = { promptTokenCount: inputTokens };
  return isBatch
    ? { embeddings, usageMetadata }
    : { embedding: embeddings[0] ?? { values: [] }, usageMetadata };
}
