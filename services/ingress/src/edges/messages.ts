import { parseMessagesRequest } from '@gateway/dialects';
import { GatewayError, type PassedHeaders, passedHeaders } from '@gateway/protocol';
import type { ClientEdge } from '../client-edge.ts';
import { anthropicErrors } from '../error-styles/anthropic.ts';
import type { ClientRequest } from '../request-record.ts';

/** https://docs.claude.com/en/api/messages */
export const messagesEdge: ClientEdge = {
  dialect: 'messages',
  errors: anthropicErrors,
  parse: (request) => {
    const facts = parseMessagesRequest(request.body);
    const headers = anthropicHeaders(request);
    // They say how the answer looks, too, so that its name in the cache holds them.
    return { ...facts, parsed: { headers, request: facts.parsed }, more: { headers } };
  },
};

/** The client's headers that mean something to Anthropic and go on to it. Throws `invalid_request`. */
export function anthropicHeaders({ header }: ClientRequest): PassedHeaders {
  const version = header('anthropic-version');
  const beta = header('anthropic-beta');
  const sent = {
    ...(version !== undefined && { 'anthropic-version': version }),
    ...(beta !== undefined && { 'anthropic-beta': beta }),
  };
  const checked = passedHeaders.safeParse(sent);
  if (checked.success) return checked.data;
  const param = String(checked.error.issues[0]?.path[0] ?? '');
  throw new GatewayError('invalid_request', `The header ${param} cannot be passed on.`, { param });
}
