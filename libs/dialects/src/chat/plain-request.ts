/**
 * A quick yes for what most requests are: messages of plain text, with the usual parameters. The schema
 * (`chat-request.ts`) takes 5 to 10 µs for each, this a fraction of one: it accepts nothing that the
 * schema refuses, and leaves the rest to it.
 */
import { isObject, type JsonObject } from '../json/read-json.ts';
import { CHOICES_MAX, type ChatRequest, MODEL_CHARACTERS_MAX } from './chat-request.ts';

export function isPlainChatRequest(value: unknown): value is ChatRequest {
  if (!isObject(value)) return false;
  for (const name in value) {
    if (!isPlainField(name, value[name])) return false;
  }
  return Object.hasOwn(value, 'model') && Object.hasOwn(value, 'messages');
}

function isPlainField(name: string, value: unknown): boolean {
  switch (name) {
    case 'model':
      return isTextOf(value, 1, MODEL_CHARACTERS_MAX);
    case 'messages':
      return Array.isArray(value) && value.length > 0 && value.every(isPlainMessage);
    case 'stream':
    case 'logprobs':
    case 'parallel_tool_calls':
      return value == null || typeof value === 'boolean';
    case 'stream_options':
      return value == null || isPlainStreamOptions(value);
    case 'max_tokens':
    case 'max_completion_tokens':
      return value == null || isWholeNumber(value, 1, Number.MAX_SAFE_INTEGER);
    case 'temperature':
      return value == null || isNumber(value, 0, 2);
    case 'top_p':
      return value == null || isNumber(value, 0, 1);
    case 'n':
      return value == null || isWholeNumber(value, 1, CHOICES_MAX);
    case 'seed':
      return value == null || Number.isSafeInteger(value);
    case 'presence_penalty':
    case 'frequency_penalty':
      return value == null || isNumber(value, -2, 2);
    case 'reasoning_effort':
    case 'service_tier':
    case 'user':
      return value == null || typeof value === 'string';
    case 'stop':
    case 'top_logprobs':
    case 'logit_bias':
    case 'tools':
    case 'tool_choice':
    case 'response_format':
    case 'top_k':
      return value == null;
    default:
      // A field that the gateway does not act on.
      return true;
  }
}

function isPlainMessage(value: unknown): boolean {
  if (!isObject(value) || typeof value.content !== 'string') return false;
  const { role } = value;
  if (role === 'assistant') return isPlainAssistant(value);
  return role === 'user' || role === 'system' || role === 'developer';
}

function isPlainAssistant({ refusal, tool_calls: calls }: JsonObject): boolean {
  return (refusal == null || typeof refusal === 'string') && calls == null;
}

function isPlainStreamOptions(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { include_usage: includeUsage } = value;
  return includeUsage == null || typeof includeUsage === 'boolean';
}

function isTextOf(value: unknown, charactersMin: number, charactersMax: number): boolean {
  return (
    typeof value === 'string' && value.length >= charactersMin && value.length <= charactersMax
  );
}

function isNumber(value: unknown, min: number, max: number): boolean {
  return typeof value === 'number' && value >= min && value <= max;
}

function isWholeNumber(value: unknown, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && isNumber(value, min, max);
}
