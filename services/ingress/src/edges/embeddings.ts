import { parseEmbeddingsRequest } from '@gateway/dialects';
import type { ClientEdge } from '../client-edge.ts';
import { openaiErrors } from '../error-styles/openai.ts';

/** https://platform.openai.com/docs/api-reference/embeddings/create */
export const embeddingsEdge: ClientEdge = {
  dialect: 'chat',
  errors: openaiErrors,
  parse: ({ body }) => ({ ...parseEmbeddingsRequest(body), more: { operation: 'embed' } }),
};
