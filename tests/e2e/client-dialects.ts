/** The dialects of clients besides chat completions: how each asks, and how it reads an answer. */
import type { Gateway } from './gateway.ts';

type Json = Record<string, unknown>;

export interface Question {
  readonly model: string;
  readonly text: string;
  readonly stream: boolean;
}

/** What an answer says, whatever dialect it says it in. */
export interface Said {
  readonly text: string;
  readonly call?: { readonly name: string; readonly arguments: unknown };
  readonly input: number;
  readonly output: number;
}

export interface ClientDialect {
  readonly name: string;
  /** As the audit has it. */
  readonly endpoint: (stream: boolean) => string;
  readonly path: (question: Pick<Question, 'model' | 'stream'>) => string;
  readonly headers: (key: string) => Record<string, string>;
  /** Offers the tool `get_weather`. */
  readonly body: (question: Question) => Json;
  readonly readWhole: (body: string) => Said;
  /** What a stream holds, one for each event or element. */
  readonly eventsOf: (body: string) => Json[];
  readonly readStream: (body: string) => Said;
}

/** The data of each event, checked to stand under its own name where events have one. */
function namedEvents(stream: string): Json[] {
  const events = stream.split(/\r?\n\r?\n/).filter((event) => event.trim() !== '');
  return events.map((event) => {
    const [, name] = /^event: (.*)$/m.exec(event) ?? [];
    const data = JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? '') as Json;
    if (name !== undefined && name !== data.type) throw new Error(`${name} holds ${data.type}`);
    return data;
  });
}

const WEATHER = {
  name: 'get_weather',
  description: 'The weather of a city',
};
const CITY = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

interface Block {
  readonly type: string;
  readonly text?: string;
  readonly name?: string;
  readonly input?: unknown;
}
interface MessagesUsage {
  readonly input_tokens: number;
  readonly output_tokens: number;
}

function saidInBlocks(blocks: readonly Block[], usage: MessagesUsage): Said {
  const use = blocks.find(({ type }) => type === 'tool_use');
  return {
    text: blocks.map(({ text = '' }) => text).join(''),
    ...(use && { call: { name: use.name ?? '', arguments: use.input } }),
    input: usage.input_tokens,
    output: usage.output_tokens,
  };
}

interface MessagesEvent {
  readonly type: string;
  readonly message?: { readonly usage: MessagesUsage };
  readonly content_block?: Block;
  readonly delta?: { readonly text?: string; readonly partial_json?: string };
  readonly usage?: MessagesUsage;
}

const messages: ClientDialect = {
  name: 'messages',
  endpoint: () => '/v1/messages',
  path: () => '/v1/messages',
  headers: (key) => ({ 'x-api-key': key, 'anthropic-version': '2023-06-01' }),
  body: ({ model, text, stream }) => ({
    model,
    max_tokens: 200,
    messages: [{ role: 'user', content: text }],
    tools: [{ ...WEATHER, input_schema: CITY }],
    stream,
  }),
  readWhole: (body) => {
    const { content, usage } = JSON.parse(body);
    return saidInBlocks(content, usage);
  },
  eventsOf: namedEvents,
  readStream: (body) => {
    const events = namedEvents(body) as unknown as MessagesEvent[];
    if (events.at(-1)?.type !== 'message_stop') throw new Error('The stream has no end.');
    const joined = (part: 'text' | 'partial_json') =>
      events.map(({ delta }) => delta?.[part] ?? '').join('');
    const started = events.flatMap(({ content_block: block }) => block ?? []);
    const use = started.find(({ type }) => type === 'tool_use');
    const usage = Object.assign(
      {},
      ...events.map((event) => event.message?.usage ?? event.usage ?? {}),
    ) as MessagesUsage;
    const text = { type: 'text', text: joined('text') };
    return saidInBlocks(
      use ? [text, { ...use, input: JSON.parse(joined('partial_json')) }] : [text],
      usage,
    );
  },
};

interface GeminiAnswer {
  readonly candidates?: readonly {
    readonly content?: {
      readonly parts?: readonly {
        readonly text?: string;
        readonly functionCall?: { readonly name: string; readonly args: unknown };
      }[];
    };
  }[];
  readonly usageMetadata?: {
    readonly promptTokenCount: number;
    readonly candidatesTokenCount: number;
  };
}

function saidInCandidates(answers: readonly GeminiAnswer[]): Said {
  const parts = answers.flatMap(({ candidates }) => candidates?.[0]?.content?.parts ?? []);
  const call = parts.find(({ functionCall }) => functionCall !== undefined)?.functionCall;
  const usage = answers.findLast(({ usageMetadata }) => usageMetadata)?.usageMetadata;
  return {
    text: parts.map(({ text = '' }) => text).join(''),
    ...(call && { call: { name: call.name, arguments: call.args } }),
    input: usage?.promptTokenCount ?? 0,
    output: usage?.candidatesTokenCount ?? 0,
  };
}

const geminiMethod = (stream: boolean) => (stream ? 'streamGenerateContent' : 'generateContent');

const gemini: ClientDialect = {
  name: 'gemini',
  endpoint: (stream) => `/v1beta/models/{model}:${geminiMethod(stream)}`,
  path: ({ model, stream }) =>
    `/v1beta/models/${model}:${geminiMethod(stream)}${stream ? '?alt=sse' : ''}`,
  headers: (key) => ({ 'x-goog-api-key': key }),
  body: ({ text }) => ({
    contents: [{ role: 'user', parts: [{ text }] }],
    tools: [{ functionDeclarations: [{ ...WEATHER, parametersJsonSchema: CITY }] }],
  }),
  readWhole: (body) => saidInCandidates([JSON.parse(body)]),
  eventsOf: namedEvents,
  readStream: (body) => saidInCandidates(namedEvents(body)),
};

const geminiArray: ClientDialect = {
  ...gemini,
  name: 'gemini without alt=sse',
  path: (question) => gemini.path(question).replace('?alt=sse', ''),
  eventsOf: (body) => JSON.parse(body),
  readStream: (body) => saidInCandidates(JSON.parse(body)),
};

interface ResponseAnswer {
  readonly output: readonly {
    readonly name?: string;
    readonly arguments?: string;
    readonly content?: readonly { readonly text?: string }[];
  }[];
  readonly usage: MessagesUsage;
}

function saidInResponse({ output, usage }: ResponseAnswer): Said {
  const call = output.find(({ name }) => name !== undefined);
  const parts = output.flatMap(({ content = [] }) => content);
  return {
    text: parts.map(({ text = '' }) => text).join(''),
    ...(call && { call: { name: call.name ?? '', arguments: JSON.parse(call.arguments ?? '') } }),
    input: usage.input_tokens,
    output: usage.output_tokens,
  };
}

interface ResponseEvent {
  readonly type: string;
  readonly sequence_number: number;
  readonly delta?: string;
  readonly response?: ResponseAnswer;
}

const responses: ClientDialect = {
  name: 'responses',
  endpoint: () => '/v1/responses',
  path: () => '/v1/responses',
  headers: (key) => ({ authorization: `Bearer ${key}` }),
  body: ({ model, text, stream }) => ({
    model,
    input: text,
    tools: [{ type: 'function', ...WEATHER, parameters: CITY, strict: false }],
    stream,
  }),
  readWhole: (body) => saidInResponse(JSON.parse(body)),
  eventsOf: namedEvents,
  readStream: (body) => {
    const events = namedEvents(body) as unknown as ResponseEvent[];
    const isInOrder = events.every((event, index) => event.sequence_number === index);
    if (!isInOrder || events[0]?.type !== 'response.created') throw new Error('Out of order.');
    const last = events.at(-1);
    if (last?.type !== 'response.completed' || !last.response) throw new Error('It has no end.');
    const said = saidInResponse(last.response);
    const deltas = events.filter(({ type }) => type === 'response.output_text.delta');
    const text = deltas.map(({ delta = '' }) => delta).join('');
    if (text !== said.text) throw new Error(`The pieces say ${text}, the whole ${said.text}`);
    return said;
  },
};

export const clientDialects: readonly ClientDialect[] = [messages, gemini, geminiArray, responses];

/** Posts a body as a client of the dialect does. */
export function postAs(
  { headers }: Pick<ClientDialect, 'headers'>,
  { baseUrl }: Pick<Gateway, 'baseUrl'>,
  asked: { readonly path: string; readonly key: string; readonly body: Json },
): Promise<Response> {
  return fetch(`${baseUrl}${asked.path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers(asked.key) },
    body: JSON.stringify(asked.body),
  });
}
