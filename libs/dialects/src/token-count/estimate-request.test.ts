import { expect, test } from 'vitest';
import { estimatePromptTokens } from './estimate-request.ts';

const TEXT = 'x'.repeat(4_000);
const PICTURE = 'A'.repeat(1_000_000);

test.for([
  ['chat', { messages: [{ content: TEXT }] }, 1_000],
  ['chat', { messages: [{ content: [{ type: 'image_url', image_url: { url: PICTURE } }] }] }, 1600],
  ['messages', { messages: [{ content: [{ type: 'image', source: { data: PICTURE } }] }] }, 1600],
  ['responses', { input: [{ content: [{ type: 'input_image', image_url: PICTURE }] }] }, 1600],
  ['gemini', { contents: [{ parts: [{ inlineData: { data: PICTURE } }] }] }, 1600],
] as const)('the prompt of %s is estimated by what its model is shown', ([, request, tokens]) => {
  expect(Math.abs(estimatePromptTokens(request) - tokens)).toBeLessThan(10);
});
