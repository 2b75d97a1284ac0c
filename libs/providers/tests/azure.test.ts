import { expect, test } from 'vitest';
import { KEY, OK, open, options, request, upstream } from './upstream-harness.ts';

const { signal } = new AbortController();

test('a deployment with a version of the API is reached by its address and a query', async () => {
  const server = await upstream(OK);
  const provider = open({
    kind: 'azure',
    baseUrl: `${server.url}/openai/deployments/gpt-5-nano`,
    query: { 'api-version': '2024-10-21' },
  });
  await (await provider.send(request, options())).readAll(100);
  const [received] = server.requests;
  expect(received?.url).toBe(
    '/openai/deployments/gpt-5-nano/chat/completions?api-version=2024-10-21',
  );
  expect(received?.headers['api-key']).toBe(KEY);
  expect(received?.headers.authorization).toBeUndefined();
});

test('Azure is not asked for models, since its list is of what could be deployed', async () => {
  const server = await upstream(OK);
  const provider = open({ kind: 'azure', baseUrl: `${server.url}/openai/v1` });
  expect(await provider.listModels(signal)).toEqual([]);
  expect(server.requests).toEqual([]);
});

test('a query goes to every path of an OpenAI-compatible server', async () => {
  const server = await upstream((_request, response) => void response.end('{"data":[]}'));
  const provider = open({
    kind: 'openai-compatible',
    baseUrl: `${server.url}/models`,
    query: { 'api-version': '2024-05-01-preview' },
  });
  await (await provider.send(request, options())).readAll(100);
  await provider.listModels(signal);
  expect(server.requests.map(({ url }) => url)).toEqual([
    '/models/chat/completions?api-version=2024-05-01-preview',
    '/models/models?api-version=2024-05-01-preview',
  ]);
});
