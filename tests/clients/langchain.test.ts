import { ChatAnthropic } from '@langchain/anthropic';
import {
  type AIMessage,
  type BaseMessage,
  HumanMessage,
  ToolMessage,
  type UsageMetadata,
} from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
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
import { describeClient } from './client-suite.ts';
import { statusProperty } from './openai-client.ts';

const TOKENS_MAX = 256;
const RETRIES = 2;

type ChatModel = ChatOpenAI | ChatAnthropic;

function answerOf(message: AIMessage): Answer {
  const { text } = message;
  const usage = usageOf(message);
  return { text, inputTokens: usage?.input_tokens, outputTokens: usage?.output_tokens };
}

function usageOf(message: AIMessage): UsageMetadata | undefined {
  return message.usage_metadata;
}

class ChainSession implements Session {
  readonly embed?: NonNullable<Session['embed']>;
  readonly #chatModel: (model: string) => ChatModel;

  constructor(chatModel: (model: string) => ChatModel, embeddings?: EmbeddingsOf) {
    this.#chatModel = chatModel;
    if (embeddings) this.embed = (model, texts) => embeddings(model).embedDocuments([...texts]);
  }

  async ask({ model, text }: Question): Promise<Answer> {
    return answerOf(await this.#chatModel(model).invoke(text));
  }

  async stream(question: Question, onText: (text: string) => void): Promise<Answer> {
    const { model, text, signal } = question;
    const chunks = await this.#chatModel(model).stream(text, { ...(signal && { signal }) });
    let whole = '';
    let outputTokens: number | undefined;
    for await (const chunk of chunks) {
      whole += chunk.text;
      outputTokens = usageOf(chunk as AIMessage)?.output_tokens ?? outputTokens;
      if (chunk.text !== '') onText(chunk.text);
    }
    return { text: whole, inputTokens: undefined, outputTokens };
  }

  async useTool(question: Question, run: RunTool): Promise<string> {
    return this.#roundTrip(question, run, (bound, messages) => bound.invoke(messages));
  }

  async streamTool(question: Question, run: RunTool): Promise<string> {
    return this.#roundTrip(question, run, async (bound, messages) => {
      const [first, ...rest] = await Array.fromAsync(await bound.stream(messages));
      if (first === undefined) throw new Error('nothing came');
      return rest.reduce((whole, chunk) => whole.concat(chunk), first);
    });
  }

  async structured({ model, text }: Question): Promise<unknown> {
    const structured = this.#chatModel(model).withStructuredOutput(CITY_SCHEMA, { name: 'city' });
    return structured.invoke(text);
  }

  async see({ model, text }: Question): Promise<Answer> {
    const message = new HumanMessage({
      contentBlocks: [
        { type: 'text', text },
        { type: 'image', mimeType: 'image/png', data: PIXEL },
      ],
    });
    return answerOf(await this.#chatModel(model).invoke([message]));
  }

  async #roundTrip(
    { model, text }: Question,
    run: RunTool,
    respond: (bound: ReturnType<typeof bindWeather>, messages: BaseMessage[]) => Promise<AIMessage>,
  ): Promise<string> {
    const messages: BaseMessage[] = [new HumanMessage(text)];
    const bound = bindWeather(this.#chatModel(model), run);
    const asked = await respond(bound, messages);
    const [call] = asked.tool_calls ?? [];
    if (call === undefined) throw new Error('no tool was called');
    const content = run(String(call.args.city));
    messages.push(asked, new ToolMessage({ content, tool_call_id: call.id ?? '' }));
    return (await respond(bound, messages)).text;
  }
}

function bindWeather(chatModel: ChatModel, run: RunTool) {
  const weather = tool(async (given) => run(String((given as { city: unknown }).city)), {
    ...WEATHER,
    schema: WEATHER_PARAMETERS,
  });
  // The two have the same method with different signatures.
  return (chatModel as ChatOpenAI).bindTools([weather]);
}

type EmbeddingsOf = (model: string) => OpenAIEmbeddings;

function retriesOf({ retries }: SessionOptions) {
  return { maxRetries: retries ? RETRIES : 0 };
}

const common = {
  errors: { 400: Error, 401: Error, 404: Error, 429: Error, 502: Error },
  statusOf: statusProperty,
  waitsWhenLimited: true,
};

function langchainOpenai(name: string, useResponsesApi: boolean): Client {
  return {
    ...common,
    name: `@langchain/openai, ${name}`,
    // It tries again by a rule of its own.
    triesWhenTold: 1 + RETRIES,
    overloadedStatus: 503,
    open: (options) => {
      const { baseUrl, apiKey } = options;
      const shared = {
        apiKey,
        configuration: { baseURL: `${baseUrl}/v1` },
        ...retriesOf(options),
      };
      return new ChainSession(
        (model) => new ChatOpenAI({ ...shared, model, useResponsesApi }),
        (model) => new OpenAIEmbeddings({ ...shared, model }),
      );
    },
  };
}

describeClient(langchainOpenai('chat completions', false));
describeClient(langchainOpenai('responses', true));
describeClient({
  ...common,
  name: '@langchain/anthropic',
  triesWhenTold: 1 + RETRIES,
  overloadedStatus: 529,
  open: (options) => {
    const { baseUrl, apiKey } = options;
    const shared = {
      apiKey,
      anthropicApiUrl: baseUrl,
      maxTokens: TOKENS_MAX,
      ...retriesOf(options),
    };
    return new ChainSession((model) => new ChatAnthropic({ ...shared, model }));
  },
});
