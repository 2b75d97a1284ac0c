import type { GatewayError } from '@gateway/protocol';
import { namesIn, textOf } from '../chat/error.ts';
import { isObject } from '../json/read-json.ts';
import { providerError, type SaidError } from '../provider-error.ts';

/** @see https://platform.claude.com/docs/en/api/errors */
export function saidInMessagesError(value: unknown): SaidError {
  const error = isObject(value) ? value.error : undefined;
  if (!isObject(error)) return { names: [] };
  return { message: textOf(error.message), names: namesIn(error, ['type']) };
}

/** Anthropic says errors after the status 200 as an event or body of the type `error`. */
export function errorInMessagesAnswer(value: unknown): GatewayError | undefined {
  if (!isObject(value) || value.type !== 'error') return undefined;
  return providerError(saidInMessagesError(value));
}
