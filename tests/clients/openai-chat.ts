/** `openai` by way of chat completions, in whichever major it is given. */
import type OpenAI from 'openai';
import {
  type Answer,
  CITY_SCHEMA,
  type Client,
  PIXEL,
  type Question,
  type RunTool,
  type Session,
  WEATHER,
  WEATHER_PARAMETERS,
} from './client.ts';
import { type OpenaiModule, openaiErrors, openaiSession } from './openai-client.ts';

type Message = OpenAI.ChatCompletionMessageParam;

const tools: OpenAI.ChatCompletionFunctionTool[] = [
  { type: 'function', function: { ...WEATHER, parameters: WEATHER_PARAMETERS } },
];

function answerOf({ choices, usage }: OpenAI.ChatCompletion): Answer {
  return {
    text: choices[0]?.message.content ?? '',
    inputTokens: usage?.prompt_tokens,
    outputTokens: usage?.completion_tokens,
  };
}

class ChatSession implements Session {
  readonly #client: OpenAI;

  constructor(client: OpenAI) {
    this.#client = client;
  }

  async ask({ model, text, signal }: Question): Promise<Answer> {
    const messages: Message[] = [{ role: 'user', content: text }];
    return answerOf(await this.#create({ model, messages }, signal));
  }

  async stream(question: Question, onText: (text: string) => void): Promise<Answer> {
    const { model, text, signal } = question;
    const stream = await this.#client.chat.completions.create(
      { model, messages: [{ role: 'user', content: text }], stream: true },
      signal && { signal },
    );
    let whole = '';
    for await (const { choices } of stream) {
      const piece = choices[0]?.delta.content ?? '';
      whole += piece;
      if (piece !== '') onText(piece);
    }
    return { text: whole, inputTokens: undefined, outputTokens: undefined };
  }

  async useTool(question: Question, run: RunTool): Promise<string> {
    return this.#roundTrip(question, run, (body) => this.#create(body));
  }

  async streamTool(question: Question, run: RunTool): Promise<string> {
    return this.#roundTrip(question, run, (body) =>
      this.#client.chat.completions.stream(body).finalChatCompletion(),
    );
  }

  async structured({ model, text }: Question): Promise<unknown> {
    const completion = await this.#client.chat.completions.parse({
      model,
      messages: [{ role: 'user', content: text }],
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'city', schema: CITY_SCHEMA, strict: true },
      },
    });
    return JSON.parse(completion.choices[0]?.message.content ?? '');
  }

  async see({ model, text }: Question): Promise<Answer> {
    const url = `data:image/png;base64,${PIXEL}`;
    const content: OpenAI.ChatCompletionContentPart[] = [
      { type: 'text', text },
      { type: 'image_url', image_url: { url } },
    ];
    return answerOf(await this.#create({ model, messages: [{ role: 'user', content }] }));
  }

  async embed(model: string, texts: readonly string[]): Promise<readonly number[][]> {
    const { data } = await this.#client.embeddings.create({ model, input: [...texts] });
    return data.map(({ embedding }) => embedding);
  }

  #create(body: OpenAI.ChatCompletionCreateParamsNonStreaming, signal?: AbortSignal) {
    return this.#client.chat.completions.create(body, signal && { signal });
  }

  async #roundTrip(
    { model, text }: Question,
    run: RunTool,
    complete: (body: {
      model: string;
      messages: Message[];
      tools: OpenAI.ChatCompletionFunctionTool[];
    }) => Promise<OpenAI.ChatCompletion>,
  ): Promise<string> {
    const messages: Message[] = [{ role: 'user', content: text }];
    const asked = await complete({ model, messages, tools });
    const message = asked.choices[0]?.message;
    const [call] = message?.tool_calls ?? [];
    if (message === undefined || call?.type !== 'function') throw new Error('no tool was called');
    const { city } = JSON.parse(call.function.arguments);
    messages.push(message, { role: 'tool', tool_call_id: call.id, content: run(city) });
    return answerOf(await complete({ model, messages, tools })).text;
  }
}

export function openaiChat(name: string, module: OpenaiModule): Client {
  return {
    name,
    ...openaiErrors(module),
    open: (options) => new ChatSession(openaiSession(module, options)),
  };
}
