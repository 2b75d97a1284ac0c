import type { GatewayError } from '@gateway/protocol';
import { namesIn, saidInChatError, textOf } from '../chat/error.ts';
import { isObject, type JsonObject } from '../json/read-json.ts';
import { providerError, type SaidError } from '../provider-error.ts';

/** The error inside a response of status 200, or undefined when there is none. */
export function errorInResponse(value: unknown): GatewayError | undefined {
  if (!isObject(value)) return undefined;
  const { error, status } = value;
  if (status !== 'failed' && !isObject(error) && textOf(error) === undefined) return undefined;
  return providerError({ ...saidInChatError(value), status: undefined });
}

/**
 * The error that an event says: `error`, flat or nested, or a response that failed. Servers of
 * other vendors send `{"error": …}` without a type.
 */
export function errorInEvent(event: JsonObject): GatewayError | undefined {
  const { type, response } = event;
  if (type === 'response.failed') {
    return errorInResponse(
      isObject(response) ? { ...response, status: 'failed' } : { status: 'failed' },
    );
  }
  if (type === 'error' && !isObject(event.error)) {
    return providerError({ ...saidInEvent(event), status: undefined });
  }
  if (type !== 'error' && textOf(type) !== undefined) return undefined;
  return isObject(event.error)
    ? providerError({ ...saidInChatError(event), status: undefined })
    : undefined;
}

function saidInEvent(event: JsonObject): SaidError {
  const param = textOf(event.param);
  return {
    message: textOf(event.message),
    names: namesIn(event, ['code']),
    ...(param !== undefined && { param }),
  };
}
