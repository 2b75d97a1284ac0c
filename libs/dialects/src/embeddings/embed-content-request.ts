/**
 * A client's embedContent or batchEmbedContents, in camel case.
 * @see https://ai.google.dev/api/embeddings
 */
import { z } from 'zod';
import { invalidField, invalidFieldOf } from '../chat/invalid-field.ts';
import { camelNames } from '../gemini/camel-names.ts';
import { checkModel, refuseOtherModel } from '../gemini/parse-request.ts';
import { isObject } from '../json/read-json.ts';
import { readRequestBody, refuseControlFields } from '../request-body.ts';
import { INPUTS_MAX } from './embeddings-request.ts';

const part = z.looseObject({ text: z.string().nullish() });
const content = z.looseObject({
  parts: z.union([z.array(part), part.transform((value) => [value])]).nullish(),
});
const dimensions = z.number().int().min(1).nullish();

const embedContent = z.looseObject({
  content,
  model: z.string().nullish(),
  outputDimensionality: dimensions,
  embedContentConfig: z.looseObject({ outputDimensionality: dimensions }).nullish(),
});

export type EmbedContent = z.infer<typeof embedContent>;

const batch = z.looseObject({ requests: z.array(embedContent).min(1).max(INPUTS_MAX) });

export interface EmbedAddress {
  /** Decoded, without `models/`. */
  readonly model: string;
  /** Whether the method is batchEmbedContents. */
  readonly batch: boolean;
}

export interface EmbedContentFacts {
  readonly model: string;
  readonly stream: false;
  readonly includeUsage: false;
  /** As with OpenAI's embeddings: stored only where the client asks for it. */
  readonly deterministic: false;
  /** The requests of the batch, or the only one. */
  readonly parsed: { readonly requests: readonly EmbedContent[] };
}

/** Reads a client's request for embeddings of Google. Throws as `parseChatRequest` does. */
export function parseEmbedContentRequest(
  body: Uint8Array,
  { model, batch: isBatch }: EmbedAddress,
): EmbedContentFacts {
  checkModel(model);
  const value = readRequestBody(body);
  refuseControlFields(value);
  if (isBatch !== isBatchBody(value)) {
    const param = isBatch ? 'requests' : 'content';
    const message = `Missing required parameter: '${param}'.`;
    throw invalidField(param, message, 'missing_required_parameter');
  }
  const requests = readEmbedContents(value);
  for (const [index, request] of requests.entries()) {
    refuseOtherModel(request.model, model, isBatch ? `requests[${index}].model` : 'model');
  }
  const facts = { stream: false, includeUsage: false, deterministic: false } as const;
  return { model, ...facts, parsed: { requests } };
}

/** The method is told by the body: only a batch has `requests`. */
export function isBatchBody(value: unknown): boolean {
  return isObject(value) && Object.hasOwn(value, 'requests');
}

export function readEmbedContents(value: unknown): readonly EmbedContent[] {
  const schema = isBatchBody(value) ? batch : embedContent;
  const result = schema.safeParse(camelNames(value), { reportInput: true });
  if (!result.success) throw invalidFieldOf(result.error);
  return 'requests' in result.data
    ? (result.data as z.infer<typeof batch>).requests
    : [result.data as EmbedContent];
}
