/** What the majors of `openai` have in common, and what every user of it inherits. */
import type OpenAI from 'openai';
import type { Client, ErrorClass, SessionOptions } from './client.ts';

export type OpenaiModule = typeof OpenAI;

export function openaiSession(
  Client: OpenaiModule,
  { baseUrl, apiKey, retries }: SessionOptions,
): OpenAI {
  return new Client({
    apiKey,
    baseURL: `${baseUrl}/v1`,
    logLevel: 'off',
    ...(!retries && { maxRetries: 0 }),
  });
}

export function statusProperty(error: unknown): number | undefined {
  return (error as { status?: number }).status;
}

export function openaiErrors(module: {
  readonly BadRequestError: ErrorClass;
  readonly AuthenticationError: ErrorClass;
  readonly NotFoundError: ErrorClass;
  readonly RateLimitError: ErrorClass;
  readonly InternalServerError: ErrorClass;
}): Omit<Client, 'name' | 'open'> {
  return {
    errors: {
      400: module.BadRequestError,
      401: module.AuthenticationError,
      404: module.NotFoundError,
      429: module.RateLimitError,
      502: module.InternalServerError,
    },
    statusOf: statusProperty,
    triesWhenTold: 1,
    waitsWhenLimited: true,
    overloadedStatus: 503,
  };
}
