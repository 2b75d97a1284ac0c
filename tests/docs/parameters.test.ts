/** docs/parameters.md says what the tables of the dialects say, and the dialects do it. */
import { join } from 'node:path';
import { openExchange } from '@gateway/dialects';
import { GatewayError } from '@gateway/protocol';
import { repositoryRoot } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { CLIENTS, type Fate, fateOf, type ProviderKind, parameterPage } from './parameter-page.ts';

test('the page has what the tables have', async () => {
  await expect(
    parameterPage(),
    'docs/parameters.md is not what the tables say; write it again: cd tests && npx vitest run docs -u',
  ).toMatchFileSnapshot(join(repositoryRoot, 'docs/parameters.md'));
});

const MODEL = 'a-model';
const BARE = {
  responses: { model: MODEL, input: 'Hello' },
  messages: { model: MODEL, max_tokens: 9, messages: [{ role: 'user', content: 'Hello' }] },
  gemini: { contents: [{ parts: [{ text: 'Hello' }] }] },
};
type Client = keyof typeof BARE;

/** For every parameter whose fate is not in the table of its own dialect alone. */
const SAMPLES: Readonly<Record<Client, Readonly<Record<string, unknown>>>> = {
  responses: { user: 'someone' },
  messages: { top_k: 5, metadata: { user_id: 'someone' }, service_tier: 'standard_only' },
  gemini: {
    'generationConfig.topK': 5,
    'generationConfig.candidateCount': 2,
    'generationConfig.seed': 7,
    'generationConfig.presencePenalty': 0.5,
    'generationConfig.frequencyPenalty': 0.5,
  },
};

function withParameter(client: Client, name: string, value: unknown): object {
  const [parent, child] = name.split('.');
  const added = child === undefined ? { [name]: value } : { [parent ?? '']: { [child]: value } };
  return { ...BARE[client], ...added };
}

function sent(client: Client, provider: ProviderKind, body: object): string {
  const options = { client, provider, model: MODEL, stream: false, includeUsage: true };
  const exchange = openExchange({ ...options, body: Buffer.from(JSON.stringify(body)) });
  return Buffer.from(exchange.request.body).toString();
}

function seenFate(client: Client, provider: ProviderKind, body: object): Fate {
  try {
    const isSame = sent(client, provider, body) === sent(client, provider, BARE[client]);
    return isSame ? 'dropped' : 'translated';
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'invalid_request') return 'refused';
    throw error;
  }
}

describe.each(Object.keys(BARE) as Client[])('a parameter of %s', (client) => {
  test('has a sample where providers may differ in it', () => {
    expect(Object.keys(SAMPLES[client])).toEqual(Object.keys(CLIENTS[client].becomes));
  });

  const providers = (['chat', 'messages', 'gemini'] as const).filter((kind) => kind !== client);
  const cases = Object.keys(SAMPLES[client]).flatMap((name) =>
    providers.map((provider) => ({
      name,
      provider,
      fate: fateOf(CLIENTS[client], name, provider),
    })),
  );
  test.each(cases)('$name is $fate for $provider', ({ name, provider, fate }) => {
    const body = withParameter(client, name, SAMPLES[client][name]);
    expect(seenFate(client, provider, body)).toBe(fate);
  });
});
