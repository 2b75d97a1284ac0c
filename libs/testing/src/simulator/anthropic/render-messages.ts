import type { JsonObject } from '../../json-value.ts';
import type { FinishReason, Usage } from '../answer.ts';
import type { AnswerContext, StreamEvent } from '../vendor.ts';

const ARGUMENT_PIECE_CHARACTERS = 8;

const stopReasons: Readonly<Record<FinishReason, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
};

/** Anthropic counts the input without what came from its cache. */
function usageOf({ input, output, cached }: Usage): JsonObject {
  return {
    input_tokens: input - cached,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cached,
    output_tokens: output,
  };
}

function usageOfMessage(usage: Usage): JsonObject {
  return {
    ...usageOf(usage),
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    service_tier: 'standard',
  };
}

function messageHead({ conversation, id }: AnswerContext): JsonObject {
  return { model: conversation.model, id: `msg_${id}`, type: 'message', role: 'assistant' };
}

/** The body of a `message`. */
export function message(context: AnswerContext): JsonObject {
  const { answer, withUsage } = context;
  const text = answer.pieces.join('');
  return {
    ...messageHead(context),
    content: [
      ...(text === '' ? [] : [{ type: 'text', text }]),
      ...answer.toolCalls.map(({ id, name, arguments: input }) => ({
        type: 'tool_use',
        id,
        name,
        input,
      })),
    ],
    stop_reason: stopReasons[answer.finish],
    stop_sequence: null,
    ...(withUsage && { usage: usageOfMessage(answer.usage) }),
  };
}

/** The frame of a named event: the name is the payload's type. */
export function namedEvent(payload: JsonObject): StreamEvent {
  return { wire: `event: ${payload.type}\ndata: ${JSON.stringify(payload)}\n\n` };
}

function block(index: number, start: JsonObject, deltas: readonly JsonObject[]): StreamEvent[] {
  return [
    namedEvent({ type: 'content_block_start', index, content_block: start }),
    ...deltas.map((delta) => namedEvent({ type: 'content_block_delta', index, delta })),
    namedEvent({ type: 'content_block_stop', index }),
  ];
}

function argumentDeltas(given: unknown): JsonObject[] {
  const text = JSON.stringify(given);
  // The real API opens with an empty piece.
  const pieces = [''];
  for (let start = 0; start < text.length; start += ARGUMENT_PIECE_CHARACTERS) {
    pieces.push(text.slice(start, start + ARGUMENT_PIECE_CHARACTERS));
  }
  return pieces.map((piece) => ({ type: 'input_json_delta', partial_json: piece }));
}

/** The events from `message_start` to `message_stop`. */
export function messageEvents(context: AnswerContext): StreamEvent[] {
  const { answer, withUsage } = context;
  const { usage, pieces, toolCalls } = answer;
  const content: StreamEvent[] = [];
  if (pieces.length > 0) {
    const deltas = pieces.map((text) => ({ type: 'text_delta', text }));
    content.push(...block(0, { type: 'text', text: '' }, deltas));
  }
  const offset = pieces.length > 0 ? 1 : 0;
  toolCalls.forEach(({ id, name, arguments: given }, index) => {
    const start = { type: 'tool_use', id, name, input: {} };
    content.push(...block(index + offset, start, argumentDeltas(given)));
  });
  const [first, ...rest] = content;
  return [
    namedEvent({
      type: 'message_start',
      message: {
        ...messageHead(context),
        content: [],
        stop_reason: null,
        stop_sequence: null,
        ...(withUsage && { usage: usageOfMessage({ ...usage, output: 1 }) }),
      },
    }),
    ...(first === undefined ? [] : [first]),
    namedEvent({ type: 'ping' }),
    ...rest,
    {
      ...namedEvent({
        type: 'message_delta',
        delta: { stop_reason: stopReasons[answer.finish], stop_sequence: null },
        ...(withUsage && { usage: usageOf(usage) }),
      }),
      hasUsage: withUsage,
    },
    namedEvent({ type: 'message_stop' }),
  ];
}
