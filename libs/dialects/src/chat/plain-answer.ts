/**
 * A quick yes for what nearly every answer and chunk is. The schema (`chat-answer.ts`) costs 8 µs
 * for each, this a fraction of one: it accepts nothing that the schema refuses or would change, and
 * leaves the rest to it.
 */
import { isIndex, isList, isText } from '../json/plain-values.ts';
import { isObject } from '../json/read-json.ts';
import type { ChatAnswer } from './chat-answer.ts';

export function isPlainChatAnswer(value: unknown): value is ChatAnswer {
  return (
    isObject(value) &&
    isText(value.id) &&
    isText(value.model) &&
    isList(value.choices, isPlainChoice) &&
    value.x_groq == null
  );
}

function isPlainChoice(value: unknown): boolean {
  return (
    isObject(value) &&
    isIndex(value.index) &&
    isText(value.finish_reason) &&
    isPlainSpoken(value.message) &&
    isPlainSpoken(value.delta)
  );
}

function isPlainSpoken(value: unknown): boolean {
  if (value == null) return true;
  return (
    isObject(value) &&
    isText(value.content) &&
    isText(value.reasoning_content) &&
    isText(value.reasoning) &&
    isText(value.refusal) &&
    isList(value.tool_calls, isPlainCall) &&
    isPlainFunction(value.function_call)
  );
}

function isPlainCall(value: unknown): boolean {
  return (
    isObject(value) && isIndex(value.index) && isText(value.id) && isPlainFunction(value.function)
  );
}

function isPlainFunction(value: unknown): boolean {
  return value == null || (isObject(value) && isText(value.name) && isText(value.arguments));
}
