import { checkModelName, readRequestBody, refuseControlFields } from '../request-body.ts';
import { type ChatRequest, chatRequest } from './chat-request.ts';
import { invalidField, invalidFieldOf } from './invalid-field.ts';
import { isPlainChatRequest } from './plain-request.ts';

export interface ChatRequestFacts {
  readonly model: string;
  readonly stream: boolean;
  /** Whether the client asked for a usage chunk at the end of its stream. */
  readonly includeUsage: boolean;
  /** Temperature 0 and one choice: the same request may be given a stored answer. */
  readonly deterministic: boolean;
  /** The request as JSON says it, unknown fields included. */
  readonly parsed: ChatRequest;
}

/**
 * Reads a client's chat completion request. Values are never converted. Throws `invalid_request`
 * with the field and a reason: `invalid_utf8`, `invalid_json`, `json_too_deep`, `too_many_items`,
 * `duplicate_key`, `invalid_unicode`, `missing_required_parameter`, `invalid_value` or
 * `unknown_parameter`. No message quotes the request.
 */
export function parseChatRequest(body: Uint8Array): ChatRequestFacts {
  const parsed = asChatRequest(readRequestBody(body));
  checkStreamOptions(parsed);
  checkModelName(parsed.model);
  return {
    model: parsed.model,
    stream: parsed.stream === true,
    includeUsage: parsed.stream_options?.include_usage === true,
    deterministic: parsed.temperature === 0 && (parsed.n ?? 1) === 1,
    parsed,
  };
}

/** The value itself, not a copy: what zod builds would hold the same. */
export function asChatRequest(value: unknown): ChatRequest {
  refuseControlFields(value);
  if (isPlainChatRequest(value)) return value;
  const result = chatRequest.safeParse(value, { reportInput: true });
  if (!result.success) throw invalidFieldOf(result.error);
  return value as ChatRequest;
}

function checkStreamOptions(request: ChatRequest): void {
  if (request.stream_options == null || request.stream === true) return;
  throw invalidField(
    'stream_options',
    "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
  );
}
