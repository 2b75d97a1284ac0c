/** A stream that is cut anywhere, or says twice that it is over, is never taken for another answer. */
import type { ClientDialect } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { openExchange, type ProviderDialect } from '../src/index.ts';
import { codeOf, PAIRS, PLAIN_REQUESTS, streamOf } from './provider-answers.ts';

/** What tells a client of the dialect that its answer is complete. */
const TERMINAL: Readonly<Record<ClientDialect, RegExp>> = {
  chat: /\[DONE\]/,
  messages: /message_stop/,
  gemini: /"finishReason"/,
  responses: /response\.(?:completed|incomplete)/,
};

function read(client: ClientDialect, provider: ProviderDialect, bytes: Uint8Array) {
  const fields = client === 'gemini' ? {} : { stream: true };
  const stream = openExchange({
    client,
    provider,
    body: Buffer.from(JSON.stringify({ ...PLAIN_REQUESTS[client], ...fields })),
    model: 'served',
    stream: true,
    includeUsage: true,
    arrayStream: false,
  }).stream();
  const said: Uint8Array[] = [];
  const code = codeOf(() => said.push(stream.push(bytes), stream.end()));
  return { code, complete: stream.complete, text: Buffer.concat(said).toString() };
}

describe.each(PAIRS)('a client of %s and a provider of %s', (client, provider) => {
  const whole = Buffer.from(streamOf(provider));

  test('make an error of a stream that is cut at any byte before its end was said', () => {
    const cuts = Array.from(whole, (_, length) => length);
    const outcomes = cuts.map((length) => read(client, provider, whole.subarray(0, length)));
    const broken = outcomes.filter(({ complete }) => !complete);
    expect(broken.length).toBeGreaterThan(whole.length / 2);
    for (const { code, text } of broken) {
      expect(code).toMatch(/^(?:provider_bad_response|stream_interrupted)$/);
      expect(text).not.toMatch(TERMINAL[client]);
    }
    for (const { code, text } of outcomes.filter(({ complete }) => complete)) {
      if (code === 'none') expect(text).toMatch(TERMINAL[client]);
      else expect(code).toMatch(/^(?:provider_bad_response|stream_interrupted)$/);
    }
  });

  test('know one end of a stream that says it twice', () => {
    const twice = Buffer.concat([whole, Buffer.from('data: [DONE]\n\ndata: [DONE]\n\n')]);
    const { code, text } = read(client, provider, twice);
    if (code === 'none' && client !== 'gemini') {
      const said = text.match(new RegExp(`data: (?:${TERMINAL[client].source})`, 'g')) ?? [];
      expect(said.length).toBeLessThanOrEqual(1);
    }
    expect(code).toMatch(/^(?:none|provider_bad_response)$/);
  });
});
