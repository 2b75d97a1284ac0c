import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SettingsError } from '@gateway/runtime';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readSettings } from './config.ts';

function fileWith(content: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'worker-config-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'secret');
  writeFileSync(path, content);
  return path;
}

describe('readSettings', () => {
  test('needs nothing', () => {
    const settings = readSettings({});
    expect(settings).toMatchObject({ providers: undefined, concurrency: 256 });
    expect(settings.vendors.openai).toEqual({ apiKey: undefined, baseUrl: undefined });
  });

  test('reads the vendors’ keys and addresses', () => {
    const { vendors } = readSettings({
      OPENAI_API_KEY: 'key-of-openai',
      OPENAI_BASE_URL: 'http://127.0.0.1:9000/v1',
      ANTHROPIC_API_KEY_FILE: fileWith('key-of-anthropic\n'),
      GEMINI_API_KEY: 'key-of-google',
      GOOGLE_AI_BASE_URL: 'https://google.example',
    });
    expect(vendors.openai?.apiKey?.reveal()).toBe('key-of-openai');
    expect(vendors.openai?.baseUrl).toBe('http://127.0.0.1:9000/v1');
    expect(vendors.anthropic?.apiKey?.reveal()).toBe('key-of-anthropic');
    expect(vendors.google?.apiKey?.reveal()).toBe('key-of-google');
    expect(vendors.google?.baseUrl).toBe('https://google.example');
  });

  test('reads the providers to serve', () => {
    expect(readSettings({ WORKER_PROVIDERS: 'openai, local-llm' }).providers).toEqual([
      'openai',
      'local-llm',
    ]);
  });

  test.each([
    ['WORKER_CONCURRENCY', '0'],
    ['WORKER_CONCURRENCY', '10001'],
    ['OPENAI_BASE_URL', 'ftp://host'],
    ['ANTHROPIC_BASE_URL', 'https://user:password@host'],
    ['WORKER_PROVIDERS', 'openai,*'],
  ])('refuses %s=%s', (name, value) => {
    expect(() => readSettings({ [name]: value })).toThrowError(SettingsError);
  });

  test('names every problem at once', () => {
    expect(() => readSettings({ WORKER_CONCURRENCY: 'x', OPENAI_BASE_URL: 'y' })).toThrowError(
      /WORKER_CONCURRENCY[\s\S]*OPENAI_BASE_URL/,
    );
  });

  test.each(['1', '10000'])('takes WORKER_CONCURRENCY=%s', (value) => {
    expect(readSettings({ WORKER_CONCURRENCY: value }).concurrency).toBe(Number(value));
  });
});

describe('resolveSecret', () => {
  test('reads a variable or the file that it names', () => {
    const { resolveSecret } = readSettings({ A_KEY: 'one', B_KEY_FILE: fileWith('two') });
    expect(resolveSecret({ environment: 'A_KEY' }, 'line')?.reveal()).toBe('one');
    expect(resolveSecret({ environment: 'B_KEY' }, 'line')?.reveal()).toBe('two');
    expect(resolveSecret({ environment: 'C_KEY' }, 'line')).toBeUndefined();
  });

  test('reads a file', () => {
    const { resolveSecret } = readSettings({});
    expect(resolveSecret({ file: fileWith('three\n') }, 'line')?.reveal()).toBe('three');
  });

  test('takes several lines of a document alone', () => {
    const document = '{\n  "type": "service_account"\n}';
    const file = fileWith(`${document}\n`);
    const { resolveSecret } = readSettings({ A_DOCUMENT: document });
    expect(resolveSecret({ file }, 'document')?.reveal()).toBe(document);
    expect(resolveSecret({ environment: 'A_DOCUMENT' }, 'document')?.reveal()).toBe(document);
    expect(() => resolveSecret({ file }, 'line')).toThrowError(SettingsError);
    expect(() => resolveSecret({ environment: 'A_DOCUMENT' }, 'line')).toThrowError(SettingsError);
  });

  test('throws for a file that is not there', () => {
    const { resolveSecret } = readSettings({});
    expect(() => resolveSecret({ file: '/nowhere/secret' }, 'line')).toThrowError(SettingsError);
  });
});
