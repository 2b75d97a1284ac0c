import { describe, expect, test } from 'vitest';
import { anthropic } from './anthropic.ts';
import { google } from './google.ts';
import { openai } from './openai.ts';

describe('readModels', () => {
  test("reads OpenAI's list", () => {
    const page = {
      object: 'list',
      data: [{ id: 'gpt-5', object: 'model', created: 1_700_000_000 }],
    };
    expect(openai.readModels(page)).toEqual({
      models: [{ id: 'gpt-5', created: 1_700_000_000 }],
    });
  });

  test('takes a model without a time', () => {
    expect(openai.readModels({ data: [{ id: 'llama' }] })).toEqual({ models: [{ id: 'llama' }] });
  });

  test("reads Anthropic's list and where it goes on", () => {
    const page = {
      data: [{ id: 'claude-sonnet-4-5', type: 'model', created_at: '2025-09-29T00:00:00Z' }],
      has_more: true,
      last_id: 'claude-sonnet-4-5',
    };
    expect(anthropic.readModels(page)).toEqual({
      models: [{ id: 'claude-sonnet-4-5', created: 1_759_104_000 }],
      nextPath: '/v1/models?limit=1000&after_id=claude-sonnet-4-5',
    });
    expect(anthropic.readModels({ ...page, has_more: false }).nextPath).toBeUndefined();
  });

  test("reads Google's list without what cannot answer a prompt", () => {
    const page = {
      models: [
        { name: 'models/gemini-2.5-pro', supportedGenerationMethods: ['generateContent'] },
        { name: 'models/embedding-001', supportedGenerationMethods: ['embedContent'] },
      ],
      nextPageToken: 'a b',
    };
    expect(google.readModels(page)).toEqual({
      models: [{ id: 'gemini-2.5-pro' }],
      nextPath: '/v1beta/models?pageSize=1000&pageToken=a%20b',
    });
  });

  test.each([
    ['openai', openai],
    ['anthropic', anthropic],
  ])('%s throws for what is no list', (_name, kind) => {
    expect(() => kind.readModels({ error: {} })).toThrow();
  });
});
