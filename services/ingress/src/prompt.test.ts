import { estimatePromptTokens } from '@gateway/dialects';
import { expect, test } from 'vitest';
import { Prompt } from './prompt.ts';

const PARSED = { model: 'm', messages: [{ role: 'user', content: 'x'.repeat(400) }] };

test('a prompt is kept until it is released, and its length beyond', () => {
  const request = { body: new TextEncoder().encode(JSON.stringify(PARSED)) };
  const facts = { parsed: PARSED as object };
  const prompt = new Prompt(request, facts);
  expect(prompt.body).toHaveLength(JSON.stringify(PARSED).length);
  prompt.release();
  prompt.release();
  expect([request.body, facts.parsed]).toEqual([new Uint8Array(), {}]);
  expect(prompt.body).toHaveLength(0);
  expect(prompt.tokens).toBe(estimatePromptTokens(PARSED));
});
