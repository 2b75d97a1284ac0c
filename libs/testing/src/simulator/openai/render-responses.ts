import type { JsonObject } from '../../json-value.ts';
import type { Answer, Usage } from '../answer.ts';
import type { AnswerContext, StreamEvent } from '../vendor.ts';

const ARGUMENT_PIECE_CHARACTERS = 8;

function usageOf({ input, output, cached, reasoning }: Usage): JsonObject {
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cached },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: input + output,
  };
}

function textPart(text: string): JsonObject {
  return { type: 'output_text', annotations: [], logprobs: [], text };
}

/** The items of an answer as they are when they are complete. */
function outputOf({ answer, id }: AnswerContext): JsonObject[] {
  const calls = answer.toolCalls.map((call, index) => ({
    id: `fc_${id}${index}`,
    type: 'function_call',
    status: 'completed',
    arguments: JSON.stringify(call.arguments),
    call_id: call.id,
    name: call.name,
  }));
  if (calls.length > 0) return calls;
  const status = answer.finish === 'stop' ? 'completed' : 'incomplete';
  const content = [textPart(answer.pieces.join(''))];
  return [{ id: `msg_${id}`, type: 'message', status, content, role: 'assistant' }];
}

function endOf({ finish }: Answer): JsonObject {
  if (finish === 'stop' || finish === 'tool_calls') {
    return { status: 'completed', incomplete_details: null };
  }
  const reason = finish === 'length' ? 'max_output_tokens' : finish;
  return { status: 'incomplete', incomplete_details: { reason } };
}

function openResponse({ conversation, id, request }: AnswerContext): JsonObject {
  return {
    id: `resp_${id}`,
    object: 'response',
    created_at: Math.floor(Date.now() / 1000),
    status: 'in_progress',
    error: null,
    incomplete_details: null,
    instructions: request.instructions ?? null,
    max_output_tokens: conversation.tokensMax ?? null,
    metadata: request.metadata ?? {},
    model: conversation.model,
    output: [],
    parallel_tool_calls: conversation.parallelToolCalls,
    previous_response_id: request.previous_response_id ?? null,
    reasoning: { effort: null, summary: null },
    service_tier: 'default',
    store: request.store !== false,
    temperature: conversation.temperature ?? 1,
    text: request.text ?? { format: { type: 'text' } },
    tool_choice: request.tool_choice ?? 'auto',
    tools: request.tools ?? [],
    top_p: 1,
    truncation: 'disabled',
    usage: null,
    user: null,
  };
}

/** The body of a `response`. */
export function responseObject(context: AnswerContext): JsonObject {
  return {
    ...openResponse(context),
    ...endOf(context.answer),
    output: outputOf(context),
    usage: context.withUsage ? usageOf(context.answer.usage) : null,
  };
}

/** The frame of an event with its name. */
export function namedEvent(event: JsonObject): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

function messageEvents(item: JsonObject, pieces: readonly string[]): JsonObject[] {
  const at = { item_id: item.id, output_index: 0, content_index: 0 };
  const text = pieces.join('');
  return [
    {
      type: 'response.output_item.added',
      output_index: 0,
      item: { ...item, status: 'in_progress', content: [] },
    },
    { type: 'response.content_part.added', ...at, part: textPart('') },
    ...pieces.map((delta) => ({ type: 'response.output_text.delta', ...at, delta, logprobs: [] })),
    { type: 'response.output_text.done', ...at, text, logprobs: [] },
    { type: 'response.content_part.done', ...at, part: textPart(text) },
    { type: 'response.output_item.done', output_index: 0, item },
  ];
}

function callEvents(item: JsonObject, index: number): JsonObject[] {
  const at = { item_id: item.id, output_index: index };
  const given = String(item.arguments);
  const deltas: JsonObject[] = [];
  for (let start = 0; start < given.length; start += ARGUMENT_PIECE_CHARACTERS) {
    const delta = given.slice(start, start + ARGUMENT_PIECE_CHARACTERS);
    deltas.push({ type: 'response.function_call_arguments.delta', ...at, delta });
  }
  return [
    {
      type: 'response.output_item.added',
      output_index: index,
      item: { ...item, status: 'in_progress', arguments: '' },
    },
    ...deltas,
    { type: 'response.function_call_arguments.done', ...at, arguments: given },
    { type: 'response.output_item.done', output_index: index, item },
  ];
}

/** The events of a response, closed by `response.completed` or `response.incomplete`. */
export function responseEvents(context: AnswerContext): StreamEvent[] {
  const response = responseObject(context);
  const open = openResponse(context);
  const items = outputOf(context);
  const [first] = items;
  const hasCalls = context.answer.toolCalls.length > 0;
  const said = hasCalls || first === undefined ? [] : messageEvents(first, context.answer.pieces);
  const events: JsonObject[] = [
    { type: 'response.created', response: open },
    { type: 'response.in_progress', response: open },
    ...said,
    ...(hasCalls ? items.flatMap(callEvents) : []),
    { type: `response.${response.status}`, response },
  ];
  return events.map((event, index) => ({
    wire: namedEvent({ ...event, sequence_number: index }),
    hasUsage: context.withUsage && index === events.length - 1,
  }));
}
