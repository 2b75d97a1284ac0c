import { test } from 'vitest';
import { cacheKey as exported } from './cache-key.ts';

// Vitest reads an import through a getter, which would be measured too.
const cacheKey = exported;
const KIBIBYTE = 1_024;

function parts(promptBytes: number) {
  return {
    tenant: 'default',
    endpoint: '/v1/chat/completions',
    targets: [{ provider: 'openai', model: 'gpt-5-mini' }],
    body: {
      model: 'gpt-5-mini',
      temperature: 0,
      messages: [
        { role: 'system', content: 'Answer in one sentence.' },
        { role: 'user', content: 'x'.repeat(promptBytes) },
      ],
      tools: Array.from({ length: 4 }, (_, index) => ({
        type: 'function',
        function: {
          name: `tool-${index}`,
          parameters: { type: 'object', properties: { city: { type: 'string' } } },
        },
      })),
    },
  };
}

test.for([1, 64, 1_024])('the key of a request of %i KiB', async (kibibytes, { bench }) => {
  const request = parts(kibibytes * KIBIBYTE);
  await bench(`cacheKey of ${kibibytes} KiB`, () => void cacheKey(request)).run();
});
