import { test } from 'vitest';
import { EventDecoder } from './decode-events.ts';

const EVENTS = 100;

const event = Buffer.from(
  `data: ${JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1_790_000_000,
    model: 'gpt-5-mini',
    choices: [{ index: 0, delta: { content: ' word' }, finish_reason: null }],
  })}\n\n`,
);
const together = Buffer.concat(Array.from({ length: EVENTS }, () => event));
const half = Math.floor(event.length / 2);

test(`${EVENTS} events`, async ({ bench }) => {
  await bench.compare(
    bench('one event a read', () => {
      const decoder = new EventDecoder();
      for (let index = 0; index < EVENTS; index += 1) decoder.push(event);
    }),
    bench('half an event a read', () => {
      const decoder = new EventDecoder();
      for (let index = 0; index < EVENTS; index += 1) {
        decoder.push(event.subarray(0, half));
        decoder.push(event.subarray(half));
      }
    }),
    bench('all in one read', () => {
      new EventDecoder().push(together);
    }),
  );
});
