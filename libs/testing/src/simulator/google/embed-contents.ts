import { arrayOf, type JsonObject, numberOf, objectOf, textOf } from '../../json-value.ts';
import { InvalidRequestError } from '../conversation.ts';
import { embeddedTokens, vectorOf } from '../embedding.ts';
import type { PlainReply } from '../vendor.ts';

const DIMENSIONS_DEFAULT = 3_072;
const DIMENSIONS_MAX = 3_072;
/** Google's own bound. */
const REQUESTS_MAX = 100;

/** Answers a body of `embedContent` or `batchEmbedContents`. Throws `InvalidRequestError`. */
export function embedContents(body: JsonObject, model: string, isBatch: boolean): PlainReply {
  const requests = isBatch ? arrayOf(body.requests).map(objectOf) : [body];
  if (requests.length === 0 || requests.length > REQUESTS_MAX) {
    throw new InvalidRequestError(`requests: at most ${REQUESTS_MAX} requests can be in one batch`);
  }
  const texts = requests.map((request) => {
    if (isBatch && textOf(request.model) !== `models/${model}`) {
      throw new InvalidRequestError('requests[].model: must match the model of the address');
    }
    const parts = arrayOf(objectOf(request.content).parts).map(objectOf);
    if (parts.length === 0) throw new InvalidRequestError('content: contents is not specified');
    return parts.map(({ text }) => textOf(text)).join('');
  });
  const embeddings = requests.map((request, index) => {
    const dimensions = numberOf(request.outputDimensionality) ?? DIMENSIONS_DEFAULT;
    if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > DIMENSIONS_MAX) {
      throw new InvalidRequestError('outputDimensionality: out of range');
    }
    return { values: vectorOf(texts[index] ?? '', dimensions) };
  });
  const usageMetadata = { promptTokenCount: embeddedTokens(texts) };
  const reply = isBatch ? { embeddings } : { embedding: embeddings[0] };
  const inputTokens = usageMetadata.promptTokenCount;
  return { model, reply: { ...reply, usageMetadata }, inputTokens };
}
