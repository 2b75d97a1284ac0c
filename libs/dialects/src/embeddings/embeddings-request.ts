/**
 * A client's request for embeddings in OpenAI's dialect, which is the hub of the others.
 * @see https://platform.openai.com/docs/api-reference/embeddings/create
 */
import { z } from 'zod';
import { MODEL_CHARACTERS_MAX } from '../chat/chat-request.ts';
import { invalidField, invalidFieldOf } from '../chat/invalid-field.ts';
import { checkModelName, readRequestBody, refuseControlFields } from '../request-body.ts';

/** OpenAI's own bound. */
export const INPUTS_MAX = 2_048;

const tokens = z.array(z.number().int().min(0)).min(1);

const embeddingsRequest = z.looseObject({
  model: z.string().min(1).max(MODEL_CHARACTERS_MAX),
  input: z.union([z.string(), z.array(z.string()).min(1), tokens, z.array(tokens).min(1)]),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.number().int().min(1).nullish(),
  user: z.string().nullish(),
});

export type EmbeddingsRequest = z.infer<typeof embeddingsRequest>;

export interface EmbeddingsRequestFacts {
  readonly model: string;
  /** Embeddings are never streamed. */
  readonly stream: false;
  readonly includeUsage: false;
  /** False although the answer would be the same: it is stored only where the client asks for it. */
  readonly deterministic: false;
  readonly parsed: EmbeddingsRequest;
}

/** Reads a client's request for embeddings. Throws as `parseChatRequest` does. */
export function parseEmbeddingsRequest(body: Uint8Array): EmbeddingsRequestFacts {
  const parsed = asEmbeddingsRequest(readRequestBody(body));
  checkModelName(parsed.model);
  return { model: parsed.model, stream: false, includeUsage: false, deterministic: false, parsed };
}

/** The value itself, not a copy: what zod builds would hold the same. */
export function asEmbeddingsRequest(value: unknown): EmbeddingsRequest {
  refuseControlFields(value);
  const result = embeddingsRequest.safeParse(value, { reportInput: true });
  if (!result.success) throw invalidFieldOf(result.error);
  const { input } = result.data;
  if (Array.isArray(input) && typeof input[0] !== 'number' && input.length > INPUTS_MAX) {
    throw invalidField('input', `Invalid 'input': expected at most ${INPUTS_MAX} items.`);
  }
  return value as EmbeddingsRequest;
}
