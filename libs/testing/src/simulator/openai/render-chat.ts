import type { JsonObject } from '../../json-value.ts';
import type { Usage } from '../answer.ts';
import type { ToolCall } from '../conversation.ts';
import type { AnswerContext, StreamEvent } from '../vendor.ts';

const ARGUMENT_PIECE_CHARACTERS = 8;

function usageOf({ input, output, cached, reasoning }: Usage): JsonObject {
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: cached, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

function toolCall({ id, name, arguments: given }: ToolCall): JsonObject {
  return { id, type: 'function', function: { name, arguments: JSON.stringify(given) } };
}

const now = () => Math.floor(Date.now() / 1000);

/** The body of a `chat.completion`. */
export function chatCompletion(context: AnswerContext): JsonObject {
  const { answer, conversation, id, withUsage } = context;
  const text = answer.pieces.join('');
  const calls = answer.toolCalls.map(toolCall);
  return {
    id: `chatcmpl-${id}`,
    object: 'chat.completion',
    created: now(),
    model: conversation.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: calls.length > 0 ? null : text,
          refusal: null,
          annotations: [],
          ...(calls.length > 0 && { tool_calls: calls }),
        },
        logprobs: null,
        finish_reason: answer.finish,
      },
    ],
    ...(withUsage && { usage: usageOf(answer.usage) }),
    service_tier: 'default',
    system_fingerprint: 'fp_simulator',
  };
}

function toolCallDeltas(call: ToolCall, index: number): JsonObject[] {
  const { id, name, arguments: given } = call;
  const text = JSON.stringify(given);
  const deltas: JsonObject[] = [
    { tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] },
  ];
  for (let start = 0; start < text.length; start += ARGUMENT_PIECE_CHARACTERS) {
    const piece = text.slice(start, start + ARGUMENT_PIECE_CHARACTERS);
    deltas.push({ tool_calls: [{ index, function: { arguments: piece } }] });
  }
  return deltas;
}

/** The frame of a `data:` event. */
export function dataEvent(payload: string): string {
  return `data: ${payload}\n\n`;
}

/** The `chat.completion.chunk` events, with usage when the request asked for it, and `[DONE]`. */
export function chatCompletionEvents(context: AnswerContext): StreamEvent[] {
  const { answer, conversation, id } = context;
  const withUsage = context.withUsage && conversation.includeUsage;
  const head = {
    id: `chatcmpl-${id}`,
    object: 'chat.completion.chunk',
    created: now(),
    model: conversation.model,
    service_tier: 'default',
    system_fingerprint: 'fp_simulator',
  };
  const usageOfChunk = conversation.includeUsage ? { usage: null } : {};
  const chunk = (delta: JsonObject, finish: string | null = null): StreamEvent => ({
    wire: dataEvent(
      JSON.stringify({
        ...head,
        choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
        ...usageOfChunk,
      }),
    ),
  });
  const hasCalls = answer.toolCalls.length > 0;
  const usage = { ...head, choices: [], usage: usageOf(answer.usage) };
  return [
    chunk({ role: 'assistant', content: hasCalls ? null : '', refusal: null }),
    ...answer.pieces.map((content) => chunk({ content })),
    ...answer.toolCalls.flatMap(toolCallDeltas).map((delta) => chunk(delta)),
    chunk({}, answer.finish),
    ...(withUsage ? [{ wire: dataEvent(JSON.stringify(usage)), hasUsage: true }] : []),
    { wire: dataEvent('[DONE]') },
  ];
}
