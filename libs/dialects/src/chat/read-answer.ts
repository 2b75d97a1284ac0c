import { GatewayError } from '@gateway/protocol';
import type { AnswerRecord } from '../answer-record.ts';
import { decodeUtf8, isObject, readJson } from '../json/read-json.ts';
import { type ChatAnswer, chatAnswer, type Spoken } from './chat-answer.ts';
import { errorInChatAnswer } from './error.ts';
import { isPlainChatAnswer } from './plain-answer.ts';
import { usageFromChat } from './usage.ts';

export function badAnswer(detail: string): GatewayError {
  return new GatewayError(
    'provider_bad_response',
    'The provider gave an answer that cannot be read.',
    {
      detail,
    },
  );
}

/** The JSON value of a provider's whole answer. Throws `provider_bad_response`. */
export function readAnswerJson(body: Uint8Array): unknown {
  const value = readJson(decodeUtf8(body));
  if (value === undefined) throw badAnswer('the body is not JSON in UTF-8');
  return value;
}

/** Notes the facts of a whole answer. Throws the error it holds, or `provider_bad_response`. */
export function noteWholeAnswer(value: unknown, record: AnswerRecord): void {
  const answer = readChatAnswer(value);
  if (answer.choices == null) throw badAnswer('the answer has no choices');
  noteAnswer(answer, record);
}

/** A whole answer or a chunk. Throws the error it holds, or `provider_bad_response`. */
export function readChatAnswer(value: unknown): ChatAnswer {
  const error = errorInChatAnswer(value);
  if (error !== undefined) throw error;
  if (isPlainChatAnswer(value)) return value;
  const result = chatAnswer.safeParse(value);
  if (!result.success) throw badAnswer(`the answer has an unknown shape: ${pathOf(result.error)}`);
  return result.data;
}

/** Notes what an answer or chunk says of itself. */
export function noteAnswer(answer: ChatAnswer, record: AnswerRecord): void {
  record.name(answer.id, answer.model);
  record.count(usageFromChat(answer.usage) ?? usageFromChat(answer.x_groq?.usage));
  const choices = answer.choices ?? [];
  for (let position = 0; position < choices.length; position += 1) {
    const choice = choices[position];
    if (choice === undefined) continue;
    const index = choice.index ?? position;
    record.see(index);
    if (choice.finish_reason) record.finish(index, choice.finish_reason);
    const said = choice.message ?? choice.delta;
    if (said) record.outputCharacters += charactersOf(said);
  }
}

function charactersOf(said: Spoken): number {
  let sum =
    contentCharacters(said.content) +
    (said.reasoning_content ?? said.reasoning ?? '').length +
    (said.refusal ?? '').length +
    (said.function_call?.arguments ?? '').length;
  for (const call of said.tool_calls ?? []) sum += (call.function?.arguments ?? '').length;
  return sum;
}

/** Mistral's reasoning models answer with an array of parts, thoughts nested in them. */
function contentCharacters(content: unknown): number {
  if (typeof content === 'string') return content.length;
  if (!Array.isArray(content)) return 0;
  return content.reduce<number>((sum, part) => {
    if (!isObject(part)) return sum;
    const text = typeof part.text === 'string' ? part.text.length : 0;
    return sum + text + contentCharacters(part.thinking);
  }, 0);
}

function pathOf(error: {
  readonly issues: readonly { readonly path: readonly PropertyKey[] }[];
}): string {
  return error.issues[0]?.path.map(String).join('.') ?? '';
}
