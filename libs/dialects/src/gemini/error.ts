import type { GatewayError } from '@gateway/protocol';
import { namesIn, textOf } from '../chat/error.ts';
import { isObject, type JsonObject } from '../json/read-json.ts';
import { providerError, type SaidError } from '../provider-error.ts';

/**
 * Google's errors; a stream without `alt=sse` has them in an array. The wait after a rate limit is
 * in the details, and so is a wrong key, whose status is 400.
 * @see https://cloud.google.com/apis/design/errors
 */
export function saidInGeminiError(value: unknown): SaidError {
  const body: unknown = Array.isArray(value) ? value[0] : value;
  const error = isObject(body) ? body.error : undefined;
  if (!isObject(error)) return { names: [] };
  const details = (Array.isArray(error.details) ? error.details : []).filter(isObject);
  const waits = details.map(({ retryDelay }) => delayOf(retryDelay));
  return {
    message: textOf(error.message),
    names: [...namesIn(error, ['status']), ...details.flatMap(reasonIn)],
    retryAfterMs: waits.find((wait) => wait !== undefined),
  };
}

export function errorInGeminiAnswer(value: unknown): GatewayError | undefined {
  if (!isObject(value) || !isObject(value.error)) return undefined;
  const { code } = value.error;
  const status = typeof code === 'number' && code >= 400 && code <= 599 ? code : undefined;
  return providerError({ ...saidInGeminiError(value), status });
}

function reasonIn(detail: JsonObject): string[] {
  return namesIn(detail, ['reason']);
}

/** A duration like `34.4s` in milliseconds. */
function delayOf(delay: unknown): number | undefined {
  const found = typeof delay === 'string' ? /^(\d+(?:\.\d+)?)s$/.exec(delay) : null;
  return found === null ? undefined : Math.ceil(Number(found[1]) * 1000);
}
