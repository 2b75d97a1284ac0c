import { expect, test } from 'vitest';
import { providerName } from './configuration.ts';
import { parseHopSubject, parseReplySubject, subjects } from './subjects.ts';

const request = '01a2097d-0a9e-7c5f-ae72-ed85742a7ae1';

test('a reply subject says whose frames it carries', () => {
  for (const leg of ['frames', 'acknowledgement'] as const) {
    const address = { ingress: 'abcdefghij', request, attempt: 3, leg };
    expect(parseReplySubject(subjects.reply(address))).toEqual(address);
  }
});

test('a hop subject says which call it belongs to', () => {
  const hop = subjects.hop('workerwork', 'abcdefghij', request, 2);
  expect(parseHopSubject(hop)).toEqual({ ingress: 'abcdefghij', request, attempt: 2 });
});

test.each([
  '',
  'gateway.v2.reply',
  'gateway.v2.reply.a.b.1.other',
  'gateway.v2.reply.a.b.1.frames.x',
])('%j is no reply subject', (subject) => {
  expect(parseReplySubject(subject)).toBeUndefined();
});

test.each(['openai.>', '*', 'a b', '..', 'Openai', '', 'x'.repeat(33), 'é', '-a', '$JS'])(
  '%j is no provider name, so it never becomes a token',
  (name) => {
    expect(providerName.safeParse(name).success).toBe(false);
  },
);
