import { ApiError, type Content, type GenerateContentResponse, GoogleGenAI } from '@google/genai';
import { expect, inject, test } from 'vitest';
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
import { describeClient } from './client-suite.ts';
import { statusProperty } from './openai-client.ts';

const tools = [
  { functionDeclarations: [{ ...WEATHER, parametersJsonSchema: WEATHER_PARAMETERS }] },
];

function answerOf({ text, usageMetadata }: GenerateContentResponse): Answer {
  return {
    text: text ?? '',
    inputTokens: usageMetadata?.promptTokenCount,
    outputTokens: usageMetadata?.candidatesTokenCount,
  };
}

class GeminiSession implements Session {
  readonly #client: GoogleGenAI;

  constructor(client: GoogleGenAI) {
    this.#client = client;
  }

  async ask({ model, text }: Question): Promise<Answer> {
    return answerOf(await this.#client.models.generateContent({ model, contents: text }));
  }

  async stream(question: Question, onText: (text: string) => void): Promise<Answer> {
    const { model, text: contents, signal } = question;
    const config = { ...(signal && { abortSignal: signal }) };
    const request = { model, contents, config };
    let answer: Answer = { text: '', inputTokens: undefined, outputTokens: undefined };
    for await (const chunk of await this.#client.models.generateContentStream(request)) {
      const { text: piece, ...usage } = answerOf(chunk);
      answer = { ...usage, text: answer.text + piece };
      if (piece !== '') onText(piece);
    }
    return answer;
  }

  async useTool(question: Question, run: RunTool): Promise<string> {
    return this.#roundTrip(question, run, async (contents) => {
      const { model } = question;
      return [await this.#client.models.generateContent({ model, contents, config: { tools } })];
    });
  }

  async streamTool(question: Question, run: RunTool): Promise<string> {
    return this.#roundTrip(question, run, async (contents) => {
      const request = { model: question.model, contents, config: { tools } };
      return Array.fromAsync(await this.#client.models.generateContentStream(request));
    });
  }

  async structured({ model, text }: Question): Promise<unknown> {
    const config = { responseMimeType: 'application/json', responseJsonSchema: CITY_SCHEMA };
    const answer = await this.#client.models.generateContent({ model, contents: text, config });
    return JSON.parse(answer.text ?? '');
  }

  async see({ model, text }: Question): Promise<Answer> {
    const parts = [{ text }, { inlineData: { mimeType: 'image/png', data: PIXEL } }];
    const contents = [{ role: 'user', parts }];
    return answerOf(await this.#client.models.generateContent({ model, contents }));
  }

  async embed(model: string, texts: readonly string[]): Promise<readonly number[][]> {
    const answer = await this.#client.models.embedContent({ model, contents: [...texts] });
    return (answer.embeddings ?? []).map(({ values }) => values ?? []);
  }

  async #roundTrip(
    { text }: Question,
    run: RunTool,
    respond: (contents: Content[]) => Promise<GenerateContentResponse[]>,
  ): Promise<string> {
    const contents: Content[] = [{ role: 'user', parts: [{ text }] }];
    const asked = await respond(contents);
    const parts = asked.flatMap(({ candidates }) => candidates?.[0]?.content?.parts ?? []);
    const [call] = asked.flatMap(({ functionCalls }) => functionCalls ?? []);
    if (call?.name === undefined) throw new Error('no tool was called');
    const result = { result: run(String(call.args?.city)) };
    const { id, name } = call;
    contents.push(
      { role: 'model', parts },
      {
        role: 'user',
        parts: [{ functionResponse: { name, response: result, ...(id !== undefined && { id }) } }],
      },
    );
    return (await respond(contents)).map(({ text: said }) => said ?? '').join('');
  }
}

function open({ baseUrl, apiKey }: { baseUrl: string; apiKey: string }): GoogleGenAI {
  return new GoogleGenAI({ apiKey, httpOptions: { baseUrl } });
}

const genai: Client = {
  name: '@google/genai',
  open: (options) => new GeminiSession(open(options)),
  errors: { 400: ApiError, 401: ApiError, 404: ApiError, 429: ApiError, 502: ApiError },
  statusOf: statusProperty,
  // By default it never asks again.
  triesWhenTold: 1,
  waitsWhenLimited: false,
  overloadedStatus: 503,
};

describeClient(genai);

test.each(['gpt-4o-mini', 'claude-sonnet-4-5', 'gemini-2.5-flash'])(
  '@google/genai chats with %s over several turns',
  async (model) => {
    const client = open({ baseUrl: inject('baseUrl'), apiKey: inject('clientKey') });
    const chat = client.chats.create({ model, config: { systemInstruction: 'Be terse.' } });
    await chat.sendMessage({ message: 'one' });
    const chunks = await Array.fromAsync(
      await chat.sendMessageStream({ message: 'two sim:show=request' }),
    );
    const seen = JSON.parse(chunks.map(({ text }) => text ?? '').join(''));
    expect(seen.system).toBe('Be terse.');
    const texts = seen.turns.map(({ text }: { text: string }) => text);
    expect(texts).toEqual(['one', 'Echo: one', 'two sim:show=request']);
  },
);

test('@google/genai asks for one vector', async () => {
  const client = open({ baseUrl: inject('baseUrl'), apiKey: inject('clientKey') });
  const model = 'gemini-embedding-001';
  const { embeddings } = await client.models.embedContent({ model, contents: 'one' });
  expect(embeddings?.map(({ values }) => values?.length)).toEqual([3_072]);
});
