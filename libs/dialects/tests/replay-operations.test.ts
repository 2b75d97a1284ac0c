import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixturesDirectory, fixturesMissingMessage } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import {
  type ExchangeOptions,
  openExchange,
  parseEmbedContentRequest,
  parseEmbeddingsRequest,
  parseGeminiCountRequest,
  parseMessagesCountRequest,
} from '../src/index.ts';

const directory = fixturesDirectory() ?? '';

interface Case {
  readonly id: string;
  readonly api: string;
  readonly status: number;
}

function casesOf(api: string, status = 200): [string, Uint8Array, Uint8Array][] {
  if (directory === '') return [];
  const index = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8'));
  return (index.cases as Case[])
    .filter((one) => one.api === api && (one.status === 200) === (status === 200))
    .map(({ id }) => [
      id,
      readFileSync(join(directory, id, 'request.json')),
      readFileSync(join(directory, id, 'response.json')),
    ]);
}

function jsonOf(bytes: Uint8Array) {
  return JSON.parse(new TextDecoder().decode(bytes));
}

function open(options: Pick<ExchangeOptions, 'client' | 'provider' | 'operation' | 'body'>) {
  return openExchange({ ...options, model: 'target', stream: false, includeUsage: false });
}

describe.skipIf(directory === '')(
  directory === '' ? fixturesMissingMessage : 'recorded embeddings and counts',
  () => {
    test.each(casesOf('embeddings'))('%s passes', (_id, body, answer) => {
      expect(parseEmbeddingsRequest(body).model).toBe(jsonOf(body).model);
      const exchange = open({ client: 'chat', provider: 'chat', operation: 'embed', body });
      expect(exchange.answer(answer)).toBe(answer);
      expect(exchange.facts.usage?.inputTokens).toBe(jsonOf(answer).usage.prompt_tokens);
      expect(exchange.facts.responseModel).toBe(jsonOf(answer).model);
    });

    test.each(casesOf('embeddings'))('%s reaches a client of Google', (_id, _body, answer) => {
      const { data } = jsonOf(answer) as { data: { embedding: string | number[] }[] };
      const requests = data.map(() => ({ content: { parts: [{ text: 'a' }] } }));
      const body = new TextEncoder().encode(JSON.stringify({ requests }));
      const exchange = open({ client: 'gemini', provider: 'chat', operation: 'embed', body });
      const { embeddings } = jsonOf(exchange.answer(answer));
      for (const [index, { embedding }] of data.entries()) {
        const length = typeof embedding === 'string' ? embedding.length : embedding.length;
        expect(embeddings[index].values.length).toBeGreaterThan(0);
        if (typeof embedding !== 'string') expect(embeddings[index].values).toHaveLength(length);
      }
    });

    test.each(casesOf('embeddings', 400))('%s is a clear error', (_id, body, answer) => {
      const request = new TextEncoder().encode(JSON.stringify({ model: 'm', input: 'a' }));
      const exchange = open({
        client: 'chat',
        provider: 'chat',
        operation: 'embed',
        body: request,
      });
      expect(exchange.error(400, {}, answer).code).toMatch(/^provider_/);
      expect(jsonOf(body)).toHaveProperty('input');
    });

    test.each(casesOf('embedContent'))('%s passes', (_id, body, answer) => {
      const model = jsonOf(body).requests[0].model.replace('models/', '');
      expect(parseEmbedContentRequest(body, { model, batch: true }).model).toBe(model);
      const exchange = open({ client: 'gemini', provider: 'gemini', operation: 'embed', body });
      expect(exchange.answer(answer)).toBe(answer);
    });

    test.each(casesOf('embedContent'))('%s reaches a client of OpenAI', (_id, _body, answer) => {
      const request = { model: 'm', input: 'a', encoding_format: 'base64' };
      const body = new TextEncoder().encode(JSON.stringify(request));
      const exchange = open({ client: 'chat', provider: 'gemini', operation: 'embed', body });
      const [entry] = jsonOf(exchange.answer(answer)).data;
      const values = jsonOf(answer).embeddings[0].values as number[];
      const bytes = Buffer.from(entry.embedding, 'base64');
      expect(bytes).toHaveLength(values.length * 4);
      expect(bytes.readFloatLE(0)).toBeCloseTo(values[0] ?? Number.NaN, 6);
    });

    test.each(casesOf('count_tokens'))('%s passes', (_id, body, answer) => {
      expect(parseMessagesCountRequest(body).model).toBe(jsonOf(body).model);
      const options = { provider: 'messages', operation: 'count-tokens', body } as const;
      expect(open({ client: 'messages', ...options }).answer(answer)).toBe(answer);
    });

    test.each(casesOf('countTokens'))('%s passes', (_id, body, answer) => {
      const model = jsonOf(body).generateContentRequest.model.replace('models/', '');
      expect(parseGeminiCountRequest(body, { model }).model).toBe(model);
      const options = { provider: 'gemini', operation: 'count-tokens', body } as const;
      expect(open({ client: 'gemini', ...options }).answer(answer)).toBe(answer);
      const { input_tokens: count } = jsonOf(
        open({
          ...options,
          client: 'messages',
          body: new TextEncoder().encode(
            '{"model":"m","messages":[{"role":"user","content":"a"}]}',
          ),
        }).answer(answer),
      );
      expect(count).toBe(jsonOf(answer).totalTokens);
    });

    test('requests of unmodified clients are accepted', () => {
      const folder = join(directory, 'clients');
      const captured = readdirSync(folder)
        .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
        .map(({ url, body }) => [url, new TextEncoder().encode(JSON.stringify(body))] as const);
      const embeddings = captured.filter(([url]) => url === '/v1/embeddings');
      expect(embeddings.length).toBeGreaterThanOrEqual(4);
      for (const [, body] of embeddings) {
        expect(parseEmbeddingsRequest(body).model).toBe(jsonOf(body).model);
      }
      const counts = captured.filter(([url]) => url === '/v1/messages/count_tokens');
      expect(counts).toHaveLength(1);
      for (const [, body] of counts) {
        expect(parseMessagesCountRequest(body).model).toBe('claude-x');
      }
    });
  },
);
