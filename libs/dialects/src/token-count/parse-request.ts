import { invalidField, invalidFieldOf } from '../chat/invalid-field.ts';
import { camelNames } from '../gemini/camel-names.ts';
import { type GenerateRequest, generateRequest } from '../gemini/generate-request.ts';
import { checkModel, refuseOtherModel } from '../gemini/parse-request.ts';
import { isObject } from '../json/read-json.ts';
import { type MessagesRequest, messagesRequest } from '../messages/messages-request.ts';
import { checkModelName, readRequestBody, refuseControlFields } from '../request-body.ts';

export interface TokenCountFacts {
  readonly model: string;
  /** Counts are never streamed. */
  readonly stream: false;
  readonly includeUsage: false;
  /** False although the answer would be the same: it is stored only where the client asks for it. */
  readonly deterministic: false;
  readonly parsed: object;
}

const FACTS = { stream: false, includeUsage: false, deterministic: false } as const;
/** An answer's length says nothing of the prompt's, but a message wants one. */
const MAX_TOKENS = 1;

/**
 * Reads the body of a client's `/v1/messages/count_tokens`, which is a message without
 * `max_tokens`. Throws as `parseChatRequest` does.
 */
export function parseMessagesCountRequest(body: Uint8Array): TokenCountFacts {
  const value = readRequestBody(body);
  refuseControlFields(value);
  const parsed = messageToCount(value);
  checkModelName(parsed.model);
  return { ...FACTS, model: parsed.model, parsed };
}

/** Reads the body of a client's countTokens of Google. Throws as `parseChatRequest` does. */
export function parseGeminiCountRequest(
  body: Uint8Array,
  { model }: { readonly model: string },
): TokenCountFacts {
  checkModel(model);
  const value = readRequestBody(body);
  refuseControlFields(value);
  const parsed = contentsToCount(value);
  refuseOtherModel(parsed.model, model, 'generateContentRequest.model');
  return { ...FACTS, model, parsed };
}

/** The message whose tokens are to be counted. Throws `invalid_request`, naming the field. */
export function messageToCount(value: unknown): MessagesRequest {
  const message = isObject(value) ? { ...value, max_tokens: MAX_TOKENS } : value;
  const result = messagesRequest.safeParse(message, { reportInput: true });
  if (!result.success) throw invalidFieldOf(result.error);
  return message as MessagesRequest;
}

/**
 * The request whose tokens are to be counted: Google's clients send contents alone or a whole
 * request. Throws `invalid_request`, naming the field.
 */
export function contentsToCount(value: unknown): GenerateRequest {
  const counted = camelNames(value);
  const whole = isObject(counted) ? counted.generateContentRequest : undefined;
  if (isObject(counted) && whole != null && counted.contents != null) {
    const message = "Invalid 'contents': 'generateContentRequest' holds them already.";
    throw invalidField('contents', message);
  }
  const result = generateRequest.safeParse(whole ?? counted, { reportInput: true });
  if (!result.success) throw invalidFieldOf(result.error);
  return result.data;
}
