import { parseMessagesCountRequest } from '@gateway/dialects';
import type { ClientEdge } from '../client-edge.ts';
import { anthropicErrors } from '../error-styles/anthropic.ts';
import { anthropicHeaders } from './messages.ts';

/** https://docs.claude.com/en/api/messages-count-tokens */
export const countTokensEdge: ClientEdge = {
  dialect: 'messages',
  errors: anthropicErrors,
  parse: (request) => ({
    ...parseMessagesCountRequest(request.body),
    more: { headers: anthropicHeaders(request), operation: 'count-tokens' },
  }),
};
