/** How each dialect asks, and what a client makes of the bytes of an answer, whole or broken off. */
import type { Dialect, PlannedRequest } from './workload.ts';

type Json = Readonly<Record<string, unknown>>;

export interface Asked {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Json;
}

/** What a body says. */
export interface Heard {
  readonly text: string;
  /** Whether what says that an answer is whole was there. */
  readonly hasEnd: boolean;
  readonly error?: { readonly code?: string; readonly message?: string };
}

/** The request of a plan in its dialect. */
export function askedOf(planned: PlannedRequest, key: string): Asked {
  const { dialect, model, stream, text, tokensMax, deterministic } = planned;
  const messages = [{ role: 'user', content: text }];
  const temperature = deterministic ? { temperature: 0 } : {};
  switch (dialect) {
    case 'chat':
      return {
        path: '/v1/chat/completions',
        headers: { authorization: `Bearer ${key}` },
        body: { model, messages, max_tokens: tokensMax, stream, ...temperature },
      };
    case 'messages':
      return {
        path: '/v1/messages',
        headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' },
        body: { model, messages, max_tokens: tokensMax, stream, ...temperature },
      };
    case 'responses':
      return {
        path: '/v1/responses',
        headers: { authorization: `Bearer ${key}` },
        body: { model, input: text, max_output_tokens: tokensMax, stream, ...temperature },
      };
    case 'gemini':
      return {
        path: `/v1beta/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
        headers: { 'x-goog-api-key': key },
        body: {
          contents: [{ role: 'user', parts: [{ text }] }],
          generationConfig: { maxOutputTokens: tokensMax, ...temperature },
        },
      };
  }
}

/** Reads a body as far as it came. */
export function hear(dialect: Dialect, isStream: boolean, body: string): Heard {
  const values = isStream ? eventsOf(body) : [jsonOf(body)].filter((value) => value !== undefined);
  const said = values.map((value) => pieceOf(dialect, value));
  const error = said.findLast((piece) => piece.error !== undefined)?.error;
  return {
    text: said.map(({ text }) => text).join(''),
    hasEnd: isStream
      ? said.some(({ isLast }) => isLast) || (dialect === 'chat' && /^data: \[DONE\]$/m.test(body))
      : values.length > 0,
    ...(error !== undefined && { error }),
  };
}

/** The values of the events that came whole. */
function eventsOf(body: string): Json[] {
  return body
    .split(/\r?\n\r?\n/)
    .slice(0, -1)
    .map((event) => jsonOf(/^data: (.*)$/m.exec(event)?.[1] ?? ''))
    .filter((value) => value !== undefined);
}

function jsonOf(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

interface Piece {
  readonly text: string;
  readonly isLast: boolean;
  readonly error?: { readonly code?: string; readonly message?: string };
}

function pieceOf(dialect: Dialect, value: Json): Piece {
  const error = objectOf(value.error);
  if (value.error !== undefined && value.error !== null) {
    const { code, message } = error;
    return {
      text: '',
      isLast: false,
      error: {
        ...(typeof code === 'string' && { code }),
        ...(typeof message === 'string' && { message }),
      },
    };
  }
  return readers[dialect](value);
}

const readers: Readonly<Record<Dialect, (value: Json) => Piece>> = {
  chat: ({ choices }) => {
    const [choice = {}] = objectsOf(choices);
    const content = objectOf(choice.delta).content ?? objectOf(choice.message).content;
    return { text: textOf(content), isLast: false };
  },
  messages: (value) => {
    const blocks = objectsOf(value.content).map(({ text }) => textOf(text));
    const delta = textOf(objectOf(value.delta).text);
    return { text: blocks.join('') + delta, isLast: value.type === 'message_stop' };
  },
  responses: (value) => {
    const parts = objectsOf(value.output).flatMap(({ content }) => objectsOf(content));
    const isDelta = value.type === 'response.output_text.delta';
    return {
      text: isDelta ? textOf(value.delta) : parts.map(({ text }) => textOf(text)).join(''),
      isLast: value.type === 'response.completed' || value.type === 'response.incomplete',
    };
  },
  gemini: ({ candidates }) => {
    const [candidate = {}] = objectsOf(candidates);
    const parts = objectsOf(objectOf(candidate.content).parts);
    return {
      text: parts.map(({ text }) => textOf(text)).join(''),
      isLast: typeof candidate.finishReason === 'string',
    };
  },
};

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function objectsOf(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
