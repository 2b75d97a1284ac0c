/** `@anthropic-ai/sdk`, in whichever major it is given. */
import type Anthropic from '@anthropic-ai/sdk-0';
import {
  type Answer,
  CITY_SCHEMA,
  type Client,
  PIXEL,
  type Question,
  type RunTool,
  type Session,
  type SessionOptions,
  WEATHER,
  WEATHER_PARAMETERS,
} from './client.ts';
import { openaiErrors } from './openai-client.ts';

export type AnthropicModule = typeof Anthropic;
type Message = Anthropic.MessageParam;

const TOKENS_MAX = 256;
const tools: Anthropic.Tool[] = [{ ...WEATHER, input_schema: WEATHER_PARAMETERS }];

export function anthropicSession(
  Client: AnthropicModule,
  { baseUrl, apiKey, retries }: SessionOptions,
): Anthropic {
  return new Client({
    apiKey,
    baseURL: baseUrl,
    logLevel: 'off',
    ...(!retries && { maxRetries: 0 }),
  });
}

function answerOf({ content, usage }: Anthropic.Message): Answer {
  const text = content.map((block) => (block.type === 'text' ? block.text : '')).join('');
  return { text, inputTokens: usage.input_tokens, outputTokens: usage.output_tokens };
}

class MessagesSession implements Session {
  readonly #client: Anthropic;

  constructor(client: Anthropic) {
    this.#client = client;
  }

  async ask({ model, text, signal }: Question): Promise<Answer> {
    const messages: Message[] = [{ role: 'user', content: text }];
    const body = { model, messages, max_tokens: TOKENS_MAX };
    return answerOf(await this.#client.messages.create(body, signal && { signal }));
  }

  async stream(question: Question, onText: (text: string) => void): Promise<Answer> {
    const { model, text, signal } = question;
    const messages: Message[] = [{ role: 'user', content: text }];
    const body = { model, messages, max_tokens: TOKENS_MAX };
    const stream = this.#client.messages.stream(body, signal && { signal });
    stream.on('text', (piece) => onText(piece));
    return answerOf(await stream.finalMessage());
  }

  async useTool(question: Question, run: RunTool): Promise<string> {
    return this.#roundTrip(question, run, (body) => this.#client.messages.create(body));
  }

  async streamTool(question: Question, run: RunTool): Promise<string> {
    return this.#roundTrip(question, run, (body) =>
      this.#client.messages.stream(body).finalMessage(),
    );
  }

  async structured({ model, text }: Question): Promise<unknown> {
    const message = await this.#client.messages.create({
      model,
      messages: [{ role: 'user', content: text }],
      max_tokens: TOKENS_MAX,
      output_config: { format: { type: 'json_schema', schema: CITY_SCHEMA } },
    });
    return JSON.parse(answerOf(message).text);
  }

  async see({ model, text }: Question): Promise<Answer> {
    const content: Anthropic.ContentBlockParam[] = [
      { type: 'text', text },
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } },
    ];
    const messages: Message[] = [{ role: 'user', content }];
    const body = { model, messages, max_tokens: TOKENS_MAX };
    return answerOf(await this.#client.messages.create(body));
  }

  async #roundTrip(
    { model, text }: Question,
    run: RunTool,
    respond: (body: Anthropic.MessageCreateParamsNonStreaming) => Promise<Anthropic.Message>,
  ): Promise<string> {
    const messages: Message[] = [{ role: 'user', content: text }];
    const body = { model, messages, tools, max_tokens: TOKENS_MAX };
    const asked = await respond(body);
    const use = asked.content.find((block) => block.type === 'tool_use');
    if (use === undefined || asked.stop_reason !== 'tool_use') {
      throw new Error('no tool was called');
    }
    const { city } = use.input as { city: string };
    const result = { type: 'tool_result' as const, tool_use_id: use.id, content: run(city) };
    messages.push(
      { role: 'assistant', content: asked.content },
      { role: 'user', content: [result] },
    );
    return answerOf(await respond(body)).text;
  }
}

export function anthropic(name: string, module: AnthropicModule): Client {
  return {
    name,
    ...openaiErrors(module),
    overloadedStatus: 529,
    open: (options) => new MessagesSession(anthropicSession(module, options)),
  };
}
