import type { GatewayError } from '@gateway/protocol';
import { isObject, type JsonObject } from '../json/read-json.ts';
import { providerError, type SaidError } from '../provider-error.ts';

/**
 * What an error of OpenAI or of a server like it says. The shapes: `{"error":{…}}`, and with an
 * explanation in `error` itself (xAI) or in `detail` or `message` (Mistral and others).
 */
export function saidInChatError(value: unknown): SaidError {
  if (!isObject(value)) return { names: [] };
  const { error } = value;
  if (isObject(error)) {
    const param = textOf(error.param);
    return {
      message: textOf(error.message),
      names: namesIn(error, ['code', 'type', 'status']),
      ...(param !== undefined && { param }),
    };
  }
  return {
    message: textOf(error) ?? textOf(value.detail) ?? textOf(value.message),
    names: namesIn(value, ['code', 'type']),
  };
}

/** The error inside an answer of status 200, or undefined when there is none. */
export function errorInChatAnswer(value: unknown): GatewayError | undefined {
  if (!isObject(value)) return undefined;
  const { error } = value;
  if (!isObject(error) && textOf(error) === undefined) return undefined;
  const status = isObject(error)
    ? (statusOf(error.status_code) ?? statusOf(error.code))
    : undefined;
  return providerError({ ...saidInChatError(value), status });
}

/** The names of an error, in lower case. */
export function namesIn(value: JsonObject, fields: readonly string[]): string[] {
  return fields.flatMap((field) => {
    const name = textOf(value[field]);
    return name === undefined ? [] : [name.toLowerCase()];
  });
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function statusOf(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 400 && value <= 599 ? value : undefined;
}
