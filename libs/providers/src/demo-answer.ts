/** What the demonstration provider says, in the shapes of OpenAI's chat completions. */
import { z } from 'zod';

const QUOTED_LENGTH_MAX = 120;
const CHARACTERS_PER_TOKEN = 4;

const part = z.looseObject({ text: z.string().optional() });
const chatRequest = z.looseObject({
  model: z.string(),
  messages: z
    .array(
      z.looseObject({
        role: z.string(),
        content: z.union([z.string(), z.array(part)]).nullish(),
      }),
    )
    .min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
});

export type DemoRequest = z.infer<typeof chatRequest>;

/** The request in these bytes, or undefined where they are no chat completion request. */
export function readDemoRequest(body: Uint8Array): DemoRequest | undefined {
  try {
    return chatRequest.parse(JSON.parse(Buffer.from(body).toString('utf8')));
  } catch {
    return undefined;
  }
}

export interface DemoAnswer {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly request: DemoRequest;
}

export const DEMO_ERROR_BODY = toBytes({
  error: {
    message: 'The demonstration answers conversations only, of messages with text.',
    type: 'invalid_request_error',
    param: null,
    code: null,
  },
});

/** The whole answer. */
export function completion(answer: DemoAnswer): Uint8Array {
  const message = { role: 'assistant', content: words(answer.request).join(''), refusal: null };
  return toBytes({
    ...envelope(answer, 'chat.completion'),
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
    usage: usage(answer.request),
  });
}

/** The events of the streamed answer, a word each. */
export function* completionEvents(answer: DemoAnswer): Generator<Uint8Array, void, undefined> {
  const { request } = answer;
  yield event(answer, [choice({ role: 'assistant', content: '' })]);
  for (const content of words(request)) yield event(answer, [choice({ content })]);
  yield event(answer, [choice({}, 'stop')]);
  if (request.stream_options?.include_usage) yield event(answer, [], usage(request));
  yield Buffer.from('data: [DONE]\n\n');
}

function words(request: DemoRequest): string[] {
  const asked = lastUserText(request).replaceAll(/\s+/g, ' ').trim();
  const quoted = [...asked].slice(0, QUOTED_LENGTH_MAX).join('');
  const text =
    'This is a demonstration: no model was asked, the gateway made this answer itself. ' +
    `You wrote: “${quoted}${quoted.length < asked.length ? '…' : ''}”. ` +
    'Configure a provider key to get answers from a real model.';
  return text.split(/(?<= )/);
}

function lastUserText(request: DemoRequest): string {
  const content = request.messages.findLast(({ role }) => role === 'user')?.content;
  if (typeof content === 'string') return content;
  return content?.map(({ text }) => text ?? '').join(' ') ?? '';
}

function usage(request: DemoRequest) {
  const promptTokens = Math.ceil(JSON.stringify(request.messages).length / CHARACTERS_PER_TOKEN);
  const completionTokens = words(request).length;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

function choice(delta: object, finishReason: 'stop' | null = null) {
  return { index: 0, delta, logprobs: null, finish_reason: finishReason };
}

function event(answer: DemoAnswer, choices: object[], reported?: object): Uint8Array {
  const chunk = {
    ...envelope(answer, 'chat.completion.chunk'),
    choices,
    ...(reported !== undefined && { usage: reported }),
  };
  return Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`);
}

function envelope({ id, created, request }: DemoAnswer, object: string) {
  return { id, object, created, model: request.model };
}

function toBytes(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
