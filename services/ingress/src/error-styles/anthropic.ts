/**
 * Errors as Anthropic's clients read them.
 * @see https://docs.claude.com/en/api/errors
 */
import type { GatewayError } from '@gateway/protocol';
import type { ErrorStyle } from '../error-style.ts';

const OVERLOADED_STATUS = 529;

/** The `type` is of the status; where two share one, the code decides. */
const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  504: 'timeout_error',
};

export const anthropicErrors: ErrorStyle = {
  status: (error) => (error.code === 'provider_overloaded' ? OVERLOADED_STATUS : error.status),
  body,
  event: (error, requestId) => `event: error\ndata: ${JSON.stringify(body(error, requestId))}\n\n`,
};

function body(error: GatewayError, requestId: string) {
  return {
    type: 'error',
    error: { type: typeOf(error), message: error.message },
    request_id: requestId,
  };
}

function typeOf({ code, status }: GatewayError): string {
  if (code === 'provider_overloaded') return 'overloaded_error';
  return TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
}
