import { expect, test } from 'vitest';
import { askedOf, hear } from './dialects.ts';
import { CANARIES, DIALECTS, KEYS, plannedRequest, TENANTS } from './workload.ts';

const many = Array.from({ length: 4_000 }, (_, counter) => plannedRequest(1, 2, counter, 'alpha'));

test('a request follows from seed, client and counter', () => {
  expect(plannedRequest(1, 2, 17, 'alpha')).toEqual(many[17]);
  expect(plannedRequest(2, 2, 17, 'alpha')).not.toEqual(many[17]);
  expect(new Set(many.map(({ nonce }) => nonce)).size).toBe(many.length);
});

test('clients ask in every dialect, large and small, patiently and not', () => {
  expect(new Set(many.map(({ dialect }) => dialect))).toEqual(new Set(DIALECTS));
  expect(many.some(({ text }) => text.length > 64 * 1024)).toBe(true);
  expect(many.some(({ leavesAfterMs }) => leavesAfterMs !== undefined)).toBe(true);
  const steered = many.filter(({ directive }) => directive !== '').length / many.length;
  expect(steered).toBeGreaterThan(0.1);
  expect(steered).toBeLessThan(0.4);
});

test('a prompt holds the canary of its tenant, in one piece of the answer', () => {
  for (const tenant of TENANTS) {
    expect(plannedRequest(1, 1, 1, tenant).text.startsWith(`${CANARIES[tenant]} `)).toBe(true);
    expect(CANARIES[tenant].length).toBeLessThanOrEqual(12);
  }
});

test('only what is asked twice alike may be repeated', () => {
  const repeated = many.filter(({ repeatedAs }) => repeatedAs !== '');
  const texts = new Map(repeated.map((planned) => [planned.repeatedAs, planned.text]));
  expect(repeated.length).toBeGreaterThan(texts.size);
  for (const { repeatedAs, text, deterministic } of repeated) {
    expect([text, deterministic]).toEqual([texts.get(repeatedAs), true]);
  }
  expect(many.filter(({ deterministic }) => deterministic)).toHaveLength(repeated.length);
});

test('every tenant has a key, and limits of both kinds are among them', () => {
  expect(new Set(KEYS.map(({ tenant }) => tenant))).toEqual(new Set(TENANTS));
  expect(KEYS.some(({ requests }) => requests !== undefined)).toBe(true);
  expect(KEYS.some(({ concurrency }) => concurrency !== undefined)).toBe(true);
});

const deltas = {
  chat: (text: string) => ({ choices: [{ delta: { content: text } }] }),
  messages: (text: string) => ({ type: 'content_block_delta', delta: { text } }),
  responses: (text: string) => ({ type: 'response.output_text.delta', delta: text }),
  gemini: (text: string) => ({ candidates: [{ content: { parts: [{ text }] } }] }),
};
const ends = {
  chat: 'data: [DONE]\n\n',
  messages: 'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  responses: 'event: response.completed\ndata: {"type":"response.completed","response":{}}\n\n',
  gemini: 'data: {"candidates":[{"finishReason":"STOP"}]}\r\n\r\n',
};
const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`;

test.each(DIALECTS)('a stream of %s is heard as far as it came', (dialect) => {
  const said = event(deltas[dialect]('one ')) + event(deltas[dialect]('two'));
  const error = event({ type: 'error', error: { code: 'worker_lost', message: 'Lost.' } });
  expect(hear(dialect, true, said)).toEqual({ text: 'one two', hasEnd: false });
  expect(hear(dialect, true, said.slice(0, -3))).toEqual({ text: 'one ', hasEnd: false });
  expect(hear(dialect, true, said + ends[dialect])).toEqual({ text: 'one two', hasEnd: true });
  expect(hear(dialect, true, said + error)).toEqual({
    text: 'one two',
    hasEnd: false,
    error: { code: 'worker_lost', message: 'Lost.' },
  });
});

const wholes = {
  chat: { choices: [{ message: { content: 'one two' } }] },
  messages: { content: [{ type: 'text', text: 'one two' }] },
  responses: { output: [{ content: [{ type: 'output_text', text: 'one two' }] }], error: null },
  gemini: { candidates: [{ content: { parts: [{ text: 'one two' }] } }] },
};

test.each(DIALECTS)('a whole answer of %s is heard', (dialect) => {
  const body = JSON.stringify(wholes[dialect]);
  expect(hear(dialect, false, body)).toEqual({ text: 'one two', hasEnd: true });
  expect(hear(dialect, false, body.slice(0, -1))).toEqual({ text: '', hasEnd: false });
  const refusal = JSON.stringify({ error: { code: 429, message: 'Too many.' } });
  expect(hear(dialect, false, refusal).error).toEqual({ message: 'Too many.' });
});

test.each(DIALECTS)('%s is asked with its own path and key', (dialect) => {
  const planned = { ...plannedRequest(1, 1, 1, 'alpha'), dialect };
  const { path, headers, body } = askedOf(planned, 'a-key');
  expect(path).toMatch(/^\/v1/);
  expect(Object.values(headers).join()).toContain('a-key');
  expect(JSON.stringify(body)).toContain(planned.text.slice(0, 12));
});
