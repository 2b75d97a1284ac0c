/**
 * Errors as Google's clients read them: the status' name is google.rpc.Code's.
 * @see https://cloud.google.com/apis/design/errors
 */
import type { GatewayError } from '@gateway/protocol';
import type { ErrorStyle } from '../error-style.ts';

const NAMES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  500: 'INTERNAL',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

export const googleErrors: ErrorStyle = {
  status: (error) => error.status,
  body,
  event: (error) => `data: ${JSON.stringify(body(error))}\r\n\r\n`,
};

/** In a stream that is a JSON array the error is its last element. */
export const googleArrayErrors: ErrorStyle = {
  ...googleErrors,
  event: (error) => `,\r\n${JSON.stringify(body(error))}\r\n]`,
};

function body(error: GatewayError) {
  const { status, message, facts } = error;
  const name = NAMES[status] ?? (status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL');
  const { retryAfterMs } = facts;
  return {
    error: {
      code: status,
      message,
      status: name,
      // Google's clients look for the pause here, not in a header.
      ...(retryAfterMs !== undefined && {
        details: [
          {
            '@type': 'type.googleapis.com/google.rpc.RetryInfo',
            retryDelay: `${Math.ceil(retryAfterMs / 1000)}s`,
          },
        ],
      }),
    },
  };
}
