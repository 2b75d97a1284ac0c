/**
 * What a client of the Responses API makes of an answer. Written for the tests alone, and without
 * any code of the library: two readers that share their mistakes would agree on them.
 */
export interface Value {
  readonly [name: string]: unknown;
}

export interface ResponsesAnswer {
  readonly text: string;
  readonly refusal: string;
  readonly reasoning: string;
  readonly toolCalls: { id: string; name: string; arguments: string }[];
  readonly status: unknown;
  readonly incompleteReason: unknown;
  readonly usage: Value | undefined;
  readonly response: Value;
}

export function readResponseBody(body: Uint8Array): ResponsesAnswer {
  return answerOf(JSON.parse(new TextDecoder().decode(body)) as Value);
}

/** The events of a stream, each checked to name its type twice alike where it names it twice. */
export function eventsOf(body: Uint8Array): Value[] {
  const text = new TextDecoder().decode(body).replace(/\r\n/g, '\n');
  return text.split('\n\n').flatMap((block) => {
    const lines = block.split('\n');
    const field = (name: string) =>
      lines
        .filter((line) => line.startsWith(`${name}:`))
        .map((line) => line.slice(name.length + 1));
    const data = field('data').join('\n').trim();
    if (data === '' || data === '[DONE]') return [];
    const event = JSON.parse(data) as Value;
    const [type] = field('event');
    if (type !== undefined && type.trim() !== event.type) throw new Error(`two types: ${type}`);
    return [event];
  });
}

/**
 * The answer in the last event. Throws when the deltas before it do not add up to it, or the
 * sequence has a gap.
 */
export function readResponseEvents(body: Uint8Array): ResponsesAnswer {
  const events = eventsOf(body);
  const last = events.at(-1) ?? {};
  const answer = answerOf(last.response as Value);
  const joined = (type: string) =>
    events
      .filter((event) => event.type === type)
      .map(({ delta }) => String(delta))
      .join('');
  const same = (name: string, streamed: string, whole: string) => {
    if (streamed !== whole) throw new Error(`${name}: ${streamed} is not ${whole}`);
  };
  same('text', joined('response.output_text.delta'), answer.text);
  same('refusal', joined('response.refusal.delta'), answer.refusal);
  same('reasoning', joined('response.reasoning_summary_text.delta'), answer.reasoning);
  const calls = answer.toolCalls.map((call) => call.arguments).join('');
  const streamedCalls = events
    .filter(({ type }) => type === 'response.function_call_arguments.done')
    .map((event) => String(event.arguments))
    .join('');
  same('arguments', streamedCalls, calls);
  for (const [index, { sequence_number: number }] of events.entries()) {
    if (number !== undefined && number !== index) throw new Error(`event ${index} is ${number}`);
  }
  return answer;
}

function answerOf(response: Value): ResponsesAnswer {
  const items = (response.output ?? []) as Value[];
  const parts = (type: string, field: string) =>
    items.filter((item) => item.type === type).flatMap((item) => (item[field] ?? []) as Value[]);
  const textIn = (list: Value[], name: string) =>
    list.map((part) => String(part[name] ?? '')).join('');
  const details = response.incomplete_details as Value | null | undefined;
  return {
    text: textIn(parts('message', 'content'), 'text'),
    refusal: textIn(parts('message', 'content'), 'refusal'),
    reasoning: textIn(parts('reasoning', 'summary'), 'text'),
    toolCalls: items
      .filter(({ type }) => type === 'function_call')
      .map((item) => ({
        id: String(item.call_id),
        name: String(item.name),
        arguments: String(item.arguments),
      })),
    status: response.status,
    incompleteReason: details?.reason,
    usage: (response.usage ?? undefined) as Value | undefined,
    response,
  };
}
