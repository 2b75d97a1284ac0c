import { generateKeyPairSync } from 'node:crypto';
import type { Configuration, ProviderDefinition } from '@gateway/protocol';
import { configuration, DEFAULT_TIMEOUTS } from '@gateway/protocol';
import type { Environment } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readSettings } from './config.ts';
import { CONFIGURATIONS_MAX, ProviderDirectory } from './provider-directory.ts';

const ENVIRONMENT: Environment = { OPENAI_API_KEY: 'key-of-openai', OTHER_KEY: 'another-key' };
const openai: ProviderDefinition = { name: 'openai', kind: 'openai' };

function directoryWith(environment: Environment = ENVIRONMENT): ProviderDirectory {
  const directory = new ProviderDirectory(
    readSettings(environment),
    createLogger('provider-worker', { level: 'silent' }),
  );
  onTestFinished(() => directory[Symbol.asyncDispose]());
  return directory;
}

function revision(index: number): string {
  return index.toString(16).padStart(16, '0');
}

function published(index: number, ...providers: ProviderDefinition[]): Configuration {
  return configuration.parse({
    schema: 1,
    revision: revision(index),
    providers,
    models: [],
    timeouts: DEFAULT_TIMEOUTS,
    cache: { enabled: false, ttlSeconds: 60 },
  });
}

function code(expected: string) {
  return expect.objectContaining({ code: expected });
}

describe('ProviderDirectory', () => {
  test('finds a provider in the revision that has it', () => {
    const directory = directoryWith();
    expect(directory.isEmpty).toBe(true);
    directory.put(published(1, openai), 1);
    directory.put(published(2, { name: 'other', kind: 'demo' }), 2);
    expect(directory.find(revision(1), 'openai').name).toBe('openai');
    expect(directory.find(revision(2), 'other').kind).toBe('demo');
    expect(() => directory.find(revision(2), 'openai')).toThrowError(code('unknown_target'));
    expect(() => directory.find(revision(3), 'openai')).toThrowError(code('unknown_target'));
    expect([...directory.names]).toEqual(['openai', 'other']);
  });

  test('shares a provider between equal definitions and not between different ones', () => {
    const directory = directoryWith();
    directory.put(published(1, openai), 1);
    directory.put(published(2, openai), 2);
    directory.put(published(3, { ...openai, baseUrl: 'http://127.0.0.1:1/v1' }), 3);
    directory.put(published(4, { ...openai, credential: { environment: 'OTHER_KEY' } }), 4);
    directory.put(published(5, { ...openai, query: { a: 'b' } }), 5);
    const [first, second, third, fourth, fifth] = [1, 2, 3, 4, 5].map((index) =>
      directory.find(revision(index), 'openai'),
    );
    expect(second).toBe(first);
    expect(third).not.toBe(first);
    expect(fourth).not.toBe(first);
    expect(fifth).not.toBe(first);
  });

  test('keeps the newest revisions at the bound and drops the oldest past it', () => {
    const directory = directoryWith();
    for (let index = CONFIGURATIONS_MAX; index >= 1; index--) {
      directory.put(published(index, openai), index);
    }
    const first = directory.find(revision(1), 'openai');
    directory.put(published(CONFIGURATIONS_MAX + 1, openai), CONFIGURATIONS_MAX + 1);
    expect(() => directory.find(revision(1), 'openai')).toThrowError(code('unknown_target'));
    expect(directory.find(revision(2), 'openai')).toBe(first);
  });

  test('closes a provider that no revision has any more', async () => {
    const directory = directoryWith();
    directory.put(published(1, openai), 1);
    const provider = directory.find(revision(1), 'openai');
    directory.remove(revision(1));
    const call = provider.send(
      { path: '/chat/completions', headers: {}, body: Buffer.from('{}') },
      {
        requestId: 'request',
        stream: false,
        timeouts: DEFAULT_TIMEOUTS,
        signal: new AbortController().signal,
      },
    );
    await expect(call).rejects.toThrowError(code('shutting_down'));
  });

  test.each([
    ['the vendor’s key is not set', { ...openai }, {}],
    ['a named key is not set', { ...openai, credential: { environment: 'NONE' } }, ENVIRONMENT],
    ['a key file is not there', { ...openai, credential: { file: '/nowhere/key' } }, ENVIRONMENT],
  ] as const)('says that there is no key when %s', (_name, definition, environment) => {
    const directory = directoryWith(environment);
    directory.put(published(1, definition), 1);
    expect(() => directory.find(revision(1), 'openai')).toThrowError(
      'No API key is configured for provider openai.',
    );
    expect(() => directory.find(revision(1), 'openai')).toThrowError(code('provider_auth_failed'));
  });

  test('reads the key file of a service account, and refuses one that is none', () => {
    const vertex = { kind: 'vertex', project: 'p', location: 'global' } as const;
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const account = {
      type: 'service_account',
      client_email: 'gateway@p.test',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    };
    const directory = directoryWith({
      ACCOUNT: JSON.stringify(account, undefined, 2),
      BROKEN: '{\n"type": "service_account"\n}',
    });
    const good = { ...vertex, name: 'good', credential: { environment: 'ACCOUNT' } };
    const bad = { ...vertex, name: 'bad', credential: { environment: 'BROKEN' } };
    directory.put(published(1, good, bad), 1);
    expect(directory.find(revision(1), 'good').serverAddress).toBe('aiplatform.googleapis.com');
    expect(() => directory.find(revision(1), 'bad')).toThrowError(code('provider_auth_failed'));
  });

  test('serves only the providers that it is told to', () => {
    const directory = directoryWith({ ...ENVIRONMENT, WORKER_PROVIDERS: 'openai' });
    directory.put(published(1, openai, { name: 'other', kind: 'demo' }), 1);
    expect([...directory.names]).toEqual(['openai']);
    expect(() => directory.find(revision(1), 'other')).toThrowError(code('unknown_target'));
  });
});
