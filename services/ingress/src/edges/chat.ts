import { parseChatRequest } from '@gateway/dialects';
import type { ClientEdge } from '../client-edge.ts';
import { openaiErrors } from '../error-styles/openai.ts';

/** https://platform.openai.com/docs/api-reference/chat/create */
export const chatEdge: ClientEdge = {
  dialect: 'chat',
  errors: openaiErrors,
  parse: ({ body }) => parseChatRequest(body),
};
