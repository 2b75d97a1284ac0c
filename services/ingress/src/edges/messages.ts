import { parseMessagesRequest } from '@gateway/dialects';
import { GatewayError, type PassedHeaders, passedHeaders } from '@gateway/protocol';
import type { ClientEdge } from '../client-edge.ts';
import { anthropicErrors } from '../error-styles/anthropic.ts';
import type { ClientRequest } from '../request-record.ts';

/** https://docs.claude.com/en/api/messages */
export const messagesEdge: ClientEdge = {
  dialect: 'messages',
  errors: anthropicErrors,
  parse: (request) => ({
    ...parseMessagesRequest(request.body),
    more: { headers: anthropicHeaders(request) },
  }),
};

/** The client's headers that mean something to Anthropic and go on to it. Throws `invalid_request`. */
export function anthropicHeaders({ header }: ClientRequest): PassedHeaders {
  const sent = {
    'anthropic-version': header('anthropic-version'),
    'anthropic-beta': header('anthropic-beta'),
  };
  const checked = passedHeaders.safeParse(sent);
  if (checked.success) return checked.data;
  const param = String(checked.error.issues[0]?.path[0] ?? '');
  throw new GatewayError('invalid_request', `The header ${param} cannot be passed on.`, { param });
}
