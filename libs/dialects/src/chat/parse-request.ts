import { GatewayError } from '@gateway/protocol';
import { decodeUtf8, isObject, type JsonObject } from '../json/read-json.ts';
import { scanJsonObject } from '../json/scan-json.ts';
import { type ChatRequest, chatRequest } from './chat-request.ts';
import { invalidField, invalidFieldOf } from './invalid-field.ts';

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
 * Fields by which clients of other gateways reach for the gateway itself: its address, its
 * settings.
 */
const CONTROL_FIELDS = ['api_base', 'base_url', 'user_config', 'mock_response', 'extra_body'];

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f]/;

/**
 * Reads a client's chat completion request. Values are never converted. Throws `invalid_request`
 * with the field and a reason: `invalid_utf8`, `invalid_json`, `json_too_deep`, `too_many_items`,
 * `duplicate_key`, `invalid_unicode`, `missing_required_parameter`, `invalid_value` or
 * `unknown_parameter`. No message quotes the request.
 */
export function parseChatRequest(body: Uint8Array): ChatRequestFacts {
  const text = decodeUtf8(body);
  if (text === undefined) {
    throw new GatewayError('invalid_request', 'The request body is not valid UTF-8.', {
      reason: 'invalid_utf8',
    });
  }
  scanJsonObject(body);
  const parsed = asChatRequest(JSON.parse(text));
  checkStreamOptions(parsed);
  checkModel(parsed.model);
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
  const result = chatRequest.safeParse(value, { reportInput: true });
  if (!result.success) throw invalidFieldOf(result.error);
  return value as ChatRequest;
}

function refuseControlFields(value: unknown): void {
  if (!isObject(value)) return;
  const field = CONTROL_FIELDS.find((name) => Object.hasOwn(value as JsonObject, name));
  if (field === undefined) return;
  throw invalidField(field, `Unknown parameter: '${field}'.`, 'unknown_parameter');
}

function checkStreamOptions(request: ChatRequest): void {
  if (request.stream_options == null || request.stream === true) return;
  throw invalidField(
    'stream_options',
    "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
  );
}

function checkModel(model: string): void {
  if (!CONTROL_CHARACTERS.test(model)) return;
  throw invalidField('model', "Invalid 'model': control characters are not allowed.");
}
