import { MODEL_CHARACTERS_MAX } from '../chat/chat-request.ts';
import { invalidField } from '../chat/invalid-field.ts';
import { checkModelName, readRequestBody, refuseControlFields } from '../request-body.ts';
import type { GenerateRequest } from './generate-request.ts';
import { numberOf } from './generation-config-to-chat.ts';
import { bareModel } from './model-path.ts';
import { readGenerateRequest } from './request-to-chat.ts';

/** What Google's clients say in the address. */
export interface GeminiAddress {
  /** Decoded, without `models/`. */
  readonly model: string;
  readonly stream: boolean;
}

export interface GeminiRequestFacts extends GeminiAddress {
  /** Google's streams always end with their usage. */
  readonly includeUsage: boolean;
  /** Temperature 0 and one candidate: the same request may be given a stored answer. */
  readonly deterministic: boolean;
  /** The request with all names in camel case, unknown fields included. */
  readonly parsed: GenerateRequest;
}

/**
 * Reads the body of a client's generateContent or streamGenerateContent. Throws `invalid_request` as
 * the parser of chat completions does.
 */
export function parseGeminiRequest(body: Uint8Array, address: GeminiAddress): GeminiRequestFacts {
  checkModel(address.model);
  const value = readRequestBody(body);
  refuseControlFields(value);
  const parsed = readGenerateRequest(value);
  refuseOtherModel(parsed.model, address.model, 'model');
  const { temperature, candidateCount } = parsed.generationConfig ?? {};
  return {
    ...address,
    includeUsage: true,
    deterministic: numberOf(temperature) === 0 && (numberOf(candidateCount) ?? 1) === 1,
    parsed,
  };
}

/** Throws `invalid_request` for a model of the address that cannot be one. */
export function checkModel(model: string): void {
  if (model === '' || model.length > MODEL_CHARACTERS_MAX) {
    throw invalidField(
      'model',
      `Invalid 'model': expected 1 to ${MODEL_CHARACTERS_MAX} characters.`,
    );
  }
  checkModelName(model);
}

/** A body may name the model again, but no other one: who may use which is judged by the address. */
export function refuseOtherModel(named: unknown, model: string, param: string): void {
  if (named === undefined || named === null) return;
  if (typeof named === 'string' && bareModel(named) === bareModel(model)) return;
  throw invalidField(param, `Invalid '${param}': expected the model of the address.`);
}
