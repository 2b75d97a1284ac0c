import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  APICallError,
  type EmbeddingModel,
  embedMany,
  generateText,
  isStepCount,
  jsonSchema,
  type LanguageModel,
  type LanguageModelUsage,
  Output,
  streamText,
  tool,
} from 'ai';
import {
  type Answer,
  CITY_SCHEMA,
  type Client,
  type ErrorClass,
  PIXEL,
  type Question,
  type RunTool,
  type Session,
  type SessionOptions,
  WEATHER,
  WEATHER_PARAMETERS,
} from './client.ts';
import { describeClient } from './client-suite.ts';

const STEPS_MAX = 3;
/** It does not know the header that says not to try again. */
const TRIES = 3;

interface Models {
  readonly language: (model: string) => LanguageModel;
  readonly embedding?: (model: string) => EmbeddingModel;
}

function answerOf(text: string, { inputTokens, outputTokens }: LanguageModelUsage): Answer {
  return { text, inputTokens, outputTokens };
}

class AiSession implements Session {
  readonly embed?: NonNullable<Session['embed']>;
  readonly #models: Models;
  readonly #retries: { readonly maxRetries?: number };

  constructor(models: Models, retries: boolean) {
    this.#models = models;
    this.#retries = retries ? {} : { maxRetries: 0 };
    const { embedding } = models;
    if (embedding === undefined) return;
    this.embed = async (model, values) => {
      const { embeddings } = await embedMany({ model: embedding(model), values: [...values] });
      return embeddings;
    };
  }

  async ask({ text: prompt, ...question }: Question): Promise<Answer> {
    const { text, usage } = await generateText({ ...this.#call(question), prompt });
    return answerOf(text, usage);
  }

  async stream(question: Question, onText: (text: string) => void): Promise<Answer> {
    const { text: prompt } = question;
    const result = streamText({ ...this.#call(question), prompt, onError: () => undefined });
    let whole = '';
    for await (const part of result.stream) {
      if (part.type === 'error') throw part.error;
      if (part.type !== 'text-delta') continue;
      whole += part.text;
      onText(part.text);
    }
    return answerOf(whole, await result.usage);
  }

  async useTool({ text: prompt, ...question }: Question, run: RunTool): Promise<string> {
    const { text } = await generateText({ ...this.#call(question), ...withTool(run), prompt });
    return text;
  }

  async streamTool({ text: prompt, ...question }: Question, run: RunTool): Promise<string> {
    const result = streamText({ ...this.#call(question), ...withTool(run), prompt });
    return result.text;
  }

  async structured({ text: prompt, ...question }: Question): Promise<unknown> {
    const schema = jsonSchema<{ city: string; inhabitants: number }>(CITY_SCHEMA);
    const result = await generateText({
      ...this.#call(question),
      prompt,
      output: Output.object({ schema }),
    });
    return result.output;
  }

  async see({ text, ...question }: Question): Promise<Answer> {
    const result = await generateText({
      ...this.#call(question),
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text },
            { type: 'file', data: PIXEL, mediaType: 'image/png' },
          ],
        },
      ],
    });
    return answerOf(result.text, result.usage);
  }

  #call({ model, signal }: Omit<Question, 'text'>) {
    return {
      model: this.#models.language(model),
      ...this.#retries,
      ...(signal && { abortSignal: signal }),
    };
  }
}

function withTool(run: RunTool) {
  const weather = tool({
    description: WEATHER.description,
    inputSchema: jsonSchema<{ city: string }>(WEATHER_PARAMETERS),
    execute: async ({ city }) => run(city),
  });
  return { tools: { [WEATHER.name]: weather }, stopWhen: isStepCount(STEPS_MAX) };
}

/** What was thrown, or the last thing that was before it gave up. */
function callError(error: unknown): APICallError | undefined {
  const last = (error as { lastError?: unknown }).lastError ?? error;
  return APICallError.isInstance(last) ? last : undefined;
}

const failure: ErrorClass = APICallError;

const overloaded: Record<string, 529> = { '@ai-sdk/anthropic': 529 };

function aiClient(name: string, models: (options: SessionOptions) => Models): Client {
  return {
    name: `ai, ${name}`,
    open: (options) => new AiSession(models(options), options.retries),
    errors: { 400: failure, 401: failure, 404: failure, 429: failure, 502: failure },
    statusOf: (error) => callError(error)?.statusCode,
    triesWhenTold: TRIES,
    waitsWhenLimited: true,
    overloadedStatus: overloaded[name] ?? 503,
  };
}

describeClient(
  aiClient('@ai-sdk/openai, responses', ({ baseUrl, apiKey }) => {
    const openai = createOpenAI({ baseURL: `${baseUrl}/v1`, apiKey });
    return { language: openai.responses, embedding: openai.embedding };
  }),
);
describeClient(
  aiClient('@ai-sdk/openai, chat completions', ({ baseUrl, apiKey }) => {
    const openai = createOpenAI({ baseURL: `${baseUrl}/v1`, apiKey });
    return { language: openai.chat };
  }),
);
describeClient(
  aiClient('@ai-sdk/openai-compatible', ({ baseUrl, apiKey }) => {
    const compatible = createOpenAICompatible({
      name: 'gateway',
      baseURL: `${baseUrl}/v1`,
      apiKey,
      includeUsage: true,
      supportsStructuredOutputs: true,
    });
    return { language: compatible.chatModel, embedding: compatible.embeddingModel };
  }),
);
describeClient(
  aiClient('@ai-sdk/anthropic', ({ baseUrl, apiKey }) => {
    return { language: createAnthropic({ baseURL: `${baseUrl}/v1`, apiKey }) };
  }),
);
describeClient(
  aiClient('@ai-sdk/google', ({ baseUrl, apiKey }) => {
    const google = createGoogleGenerativeAI({ baseURL: `${baseUrl}/v1beta`, apiKey });
    return { language: google, embedding: google.embedding };
  }),
);
