import { test } from 'vitest';
import { AnswerRecord } from '../answer-record.ts';
import { PassingStream } from './pass-stream.ts';

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

test(`${EVENTS} chunks that pass`, async ({ bench }) => {
  await bench.compare(
    bench('one in a read', () => {
      const stream = new PassingStream(new AnswerRecord(), false);
      for (let index = 0; index < EVENTS; index += 1) stream.push(event);
    }),
    bench('all in one read', () => {
      new PassingStream(new AnswerRecord(), false).push(together);
    }),
  );
});
