import { describe, expect, test } from 'vitest';
import { MODEL_CHARACTERS_MAX } from '../chat/chat-request.ts';
import { parseGeminiRequest } from './parse-request.ts';

const HELLO = { contents: [{ parts: [{ text: 'Hello' }] }] };

function parse(body: unknown, model = 'gemini-x') {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  return parseGeminiRequest(bytes, { model, stream: false });
}

function refusal(facts: object) {
  return expect.objectContaining({
    code: 'invalid_request',
    facts: expect.objectContaining(facts),
  });
}

describe('parseGeminiRequest', () => {
  test('takes model and stream from the address', () => {
    const bytes = new TextEncoder().encode(JSON.stringify(HELLO));
    expect(parseGeminiRequest(bytes, { model: 'tunedModels/a', stream: true })).toMatchObject({
      model: 'tunedModels/a',
      stream: true,
      includeUsage: true,
      deterministic: false,
    });
  });

  test.each([
    [{ temperature: 0 }, true],
    [{ temperature: '0' }, true],
    [{ temperature: 0, candidate_count: 1 }, true],
    [{ temperature: 0, candidateCount: 2 }, false],
    [{ temperature: 0.1 }, false],
  ])('sees whether %j is deterministic', (generation_config, deterministic) => {
    expect(parse({ ...HELLO, generation_config }).deterministic).toBe(deterministic);
  });

  test('lets the body name the model of the address and no other', () => {
    expect(parse({ ...HELLO, model: 'models/gemini-x' }).model).toBe('gemini-x');
    expect(() => parse({ ...HELLO, model: 'models/gemini-y' })).toThrowError(
      refusal({ param: 'model' }),
    );
  });

  test('bounds the name of the model', () => {
    expect(parse(HELLO, 'a'.repeat(MODEL_CHARACTERS_MAX)).model).toHaveLength(MODEL_CHARACTERS_MAX);
    for (const model of ['', 'a'.repeat(MODEL_CHARACTERS_MAX + 1), 'a\nb']) {
      expect(() => parse(HELLO, model)).toThrowError(refusal({ param: 'model' }));
    }
  });

  test('is as careful with the bytes as every parser', () => {
    const bytes = (text: string) => new TextEncoder().encode(text);
    const address = { model: 'm', stream: false };
    expect(() => parseGeminiRequest(bytes('[]'), address)).toThrowError(
      refusal({ reason: 'invalid_json' }),
    );
    expect(() => parseGeminiRequest(bytes('{"contents":[],"contents":[]}'), address)).toThrowError(
      refusal({ reason: 'duplicate_key' }),
    );
    expect(() => parse({ ...HELLO, api_base: 'http://x' })).toThrowError(
      refusal({ reason: 'unknown_parameter' }),
    );
  });
});
