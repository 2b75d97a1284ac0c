/** Recorded traffic of Azure and Vertex: what a provider of these kinds asks, and what comes back. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chooseDialect, openExchange } from '@gateway/dialects';
import type { ClientDialect, ProviderDefinition } from '@gateway/protocol';
import { fixturesDirectory, fixturesMissingMessage } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { open, options, upstream } from './upstream-harness.ts';

const directory = fixturesDirectory();

interface RecordedCall {
  readonly id: string;
  readonly isStream: boolean;
  readonly status: number;
  readonly hasUsage: boolean;
  /** With names that an address can have where the recording hides its own. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly request: Buffer;
  readonly answer: Buffer;
}

function recordedCalls(vendor: 'azure' | 'vertex'): RecordedCall[] {
  if (directory === undefined) return [];
  return readdirSync(join(directory, vendor)).flatMap((name) => {
    const file = (part: string) => join(directory, vendor, name, part);
    const meta = JSON.parse(readFileSync(file('meta.json'), 'utf8'));
    if (!existsSync(file('request.json')) || !meta.request?.path) return [];
    return {
      id: meta.id,
      isStream: meta.stream,
      status: meta.status,
      hasUsage: meta.facts.usage != null,
      path: meta.request.path.replaceAll(/<?[A-Z_]{4,}>?/g, 'hidden'),
      query: meta.request.query,
      request: readFileSync(file('request.json')),
      answer: readFileSync(file(meta.body_file)),
    };
  });
}

/** Makes the recorded call by way of a provider; resolves with the address that it went to. */
async function replay(
  call: RecordedCall,
  client: ClientDialect,
  model: string,
  definition: Partial<ProviderDefinition>,
): Promise<string | undefined> {
  const server = await upstream((_request, response) => {
    response.writeHead(call.status).end(call.answer);
  });
  const provider = open({ ...definition, baseUrl: server.url + definition.baseUrl });
  const exchange = openExchange({
    client,
    operation: call.path.endsWith('/embeddings') ? 'embed' : 'generate',
    provider: chooseDialect(client, provider.dialects),
    body: call.request,
    model,
    stream: call.isStream,
    includeUsage: true,
  });
  const answer = await provider.send(exchange.request, options({ stream: call.isStream }));
  const bytes = await answer.readAll(1024 * 1024);
  if (call.status !== 200) {
    expect(exchange.error(call.status, answer.headers, bytes).code).toMatch(
      /^(?:provider|content)_/,
    );
  } else if (call.isStream) {
    const stream = exchange.stream();
    expect(Buffer.concat([stream.push(bytes), stream.end()]).length).toBeGreaterThan(0);
    expect(stream.complete).toBe(true);
  } else {
    expect(JSON.parse(Buffer.from(exchange.answer(bytes)).toString())).toEqual(
      JSON.parse(call.answer.toString()),
    );
  }
  expect(exchange.facts.usage !== undefined).toBe(call.hasUsage);
  return server.requests[0]?.url;
}

function addressOf({ path, query }: RecordedCall): string {
  const text = new URLSearchParams(query).toString();
  return text === '' ? path : `${path}?${text}`;
}

const suite = directory === undefined ? fixturesMissingMessage : 'recorded calls';

describe.skipIf(directory === undefined)(suite, () => {
  test.for(recordedCalls('azure'))('of $id go to their address', async (call) => {
    const client = call.path.endsWith('/responses') ? 'responses' : 'chat';
    const baseUrl = call.path.replace(/\/(?:chat\/completions|responses|embeddings)$/, '');
    const { query } = call;
    const address = await replay(call, client, 'deployment', { kind: 'azure', baseUrl, query });
    expect(address).toBe(addressOf(call));
  });

  test.for(recordedCalls('vertex'))('of $id go to their address', async (call) => {
    const place = /^(\/v\w+)\/projects\/([^/]+)\/locations\/([^/]+)\/.*models\/([^:]+):/;
    const [, baseUrl = '', project = '', location = '', model = ''] = place.exec(call.path) ?? [];
    const definition = { kind: 'vertex', baseUrl, project, location } as const;
    expect(await replay(call, 'gemini', model, definition)).toBe(addressOf(call));
  });
});
