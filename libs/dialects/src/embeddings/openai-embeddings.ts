/** OpenAI's embeddings: what is sent to a server, and what a client gets. */
import type { AnswerRecord } from '../answer-record.ts';
import { errorInChatAnswer } from '../chat/error.ts';
import { badAnswer } from '../chat/read-answer.ts';
import { usageFromChat } from '../chat/usage.ts';
import { isObject, type JsonObject } from '../json/read-json.ts';
import type { EmbeddingsAnswer } from './embeddings-answer.ts';
import { base64FromVector, isVector, vectorFromBase64 } from './vector.ts';

export const EMBEDDINGS_PATH = '/embeddings';

export type EncodingFormat = 'float' | 'base64';

interface Entry extends JsonObject {
  readonly embedding: string | readonly number[];
}

/**
 * The entries of a server's answer, in the order of their inputs; notes the facts. Throws the error
 * that it holds, or `provider_bad_response`.
 */
export function readEmbeddings(value: unknown, record: AnswerRecord): readonly Entry[] {
  const error = errorInChatAnswer(value);
  if (error !== undefined) throw error;
  if (!isObject(value) || !Array.isArray(value.data)) throw badAnswer('the answer has no data');
  const { id, model, data } = value;
  record.name(textOf(id), textOf(model));
  record.count(usageFromChat(value.usage));
  const entries = data.map((entry: unknown, position) => {
    if (!isObject(entry) || !isEmbedding(entry.embedding)) {
      throw badAnswer('an entry of the answer has no embedding');
    }
    const index = typeof entry.index === 'number' ? entry.index : position;
    return { index, entry: entry as Entry };
  });
  return entries.toSorted((left, right) => left.index - right.index).map(({ entry }) => entry);
}

function isEmbedding(value: unknown): value is Entry['embedding'] {
  return typeof value === 'string' || isVector(value);
}

/**
 * The same answer with its embeddings in the form that the client asked for: not every server knows
 * `encoding_format`. The very same value where they are in that form already.
 */
export function inFormat(
  value: unknown,
  entries: readonly Entry[],
  format: EncodingFormat,
): unknown {
  const wanted = format === 'base64' ? 'string' : 'object';
  if (!isObject(value) || entries.every(({ embedding }) => typeof embedding === wanted)) {
    return value;
  }
  const data = entries.map((entry) => ({ ...entry, embedding: converted(entry, format) }));
  return { ...value, data };
}

function converted(entry: Entry, format: EncodingFormat): Entry['embedding'] {
  const { embedding } = entry;
  if (format === 'float') return vectorOf(entry);
  return typeof embedding === 'string' ? embedding : base64FromVector(embedding);
}

/** Throws `provider_bad_response` when it is none. */
export function vectorOf({ embedding }: Entry): readonly number[] {
  const vector = typeof embedding === 'string' ? vectorFromBase64(embedding) : embedding;
  if (vector === undefined) throw badAnswer('an embedding is no list of floats');
  return vector;
}

/** The body of an answer that came in another dialect. */
export function writeEmbeddings(
  { model, vectors }: EmbeddingsAnswer,
  inputTokens: number,
  format: EncodingFormat,
): JsonObject {
  return {
    object: 'list',
    data: vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: format === 'base64' ? base64FromVector(vector) : vector,
    })),
    model,
    usage: { prompt_tokens: inputTokens, total_tokens: inputTokens },
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
