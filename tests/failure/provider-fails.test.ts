import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster({
  // The breaker of one test must not be met by the next, so each names a model of its own.
  configuration: `
timeouts: { connect_seconds: 1, first_byte_seconds: 2, idle_seconds: 2, total_seconds: 10 }
models:
  - match: two-vendors
    targets: [{ provider: openai, model: gpt-down }, { provider: anthropic, model: claude-haiku-4-5 }]
`,
});

let models = 0;
/** A model that no test has used. */
const freshModel = () => {
  models += 1;
  return `openai/gpt-fresh-${models}`;
};

/** What a provider does, what clients see of it, and how often it is asked. */
const refusals = [
  { said: 'status=400', status: 400, code: 'provider_rejected', calls: 1 },
  { said: 'status=401', status: 502, code: 'provider_auth_failed', calls: 1 },
  { said: 'status=403', status: 502, code: 'provider_auth_failed', calls: 1 },
  { said: 'status=429;retry-after=30', status: 429, code: 'provider_rate_limited', calls: 1 },
  { said: 'status=429;retry-after=1', status: 429, code: 'provider_rate_limited', calls: 2 },
  { said: 'status=500', status: 502, code: 'provider_unavailable', calls: 2 },
  { said: 'status=503', status: 503, code: 'provider_overloaded', calls: 2 },
  { said: 'status=529', status: 503, code: 'provider_overloaded', calls: 2 },
  { said: 'status=500;html', status: 502, code: 'provider_unavailable', calls: 2 },
  { said: 'cut=first-byte', status: 502, code: 'provider_unavailable', calls: 2 },
  { said: 'malformed', status: 502, code: 'provider_bad_response', calls: 1 },
  { said: 'cut=after:3', status: 502, code: 'provider_bad_response', calls: 1 },
];

describe('a provider that fails before the first byte', () => {
  test.each(refusals)('$said gives $status', async ({ said, status, code, calls }) => {
    const { ask } = cluster();
    const answer = await ask({ text: `sim:${said}`, model: freshModel() });
    expect([answer.status, answer.errorCode]).toEqual([status, code]);
    expect(cluster().calls(answer.requestId)).toHaveLength(calls);
    expect(answer.headers['x-should-retry']).toBe('false');
  });

  test.each(['first-byte', 'headers'])('hang=%s gives 504', async (where) => {
    const { ask, calls } = cluster();
    const answer = await ask({ text: `sim:hang=${where}`, model: freshModel() });
    expect([answer.status, answer.errorCode]).toEqual([504, 'first_byte_timeout']);
    expect(calls(answer.requestId).map(({ ended }) => ended)).toEqual(['aborted-by-client']);
  });

  test('passing failures are repeated unseen', async () => {
    const { ask, calls } = cluster();
    const text = 'sim:status=503x1-then-ok';
    const answer = await ask({ text, model: freshModel() });
    expect([answer.status, answer.headers['x-gateway-attempts']]).toEqual([200, '2']);
    expect(calls(answer.requestId)).toHaveLength(2);
  });

  test('the next target answers', async () => {
    const { ask, calls } = cluster();
    const answer = await ask({ text: 'sim:status=500x1-then-ok', model: 'two-vendors' });
    // Each vendor fails once, so the first one is asked again.
    expect(answer.status).toBe(200);
    expect(calls(answer.requestId).map(({ vendor }) => vendor)).toEqual([
      'openai',
      'anthropic',
      'openai',
    ]);
  });
});

const interruptions = [
  { said: 'tokens=20;drip=20ms;cut=after:8', code: 'stream_interrupted' },
  { said: 'tokens=20;drip=20ms;hang=mid-stream', code: 'idle_timeout' },
  { said: 'tokens=20;drip=20ms;malformed', code: 'provider_bad_response' },
  { said: 'tokens=20;drip=20ms;stream-error', code: 'provider_unavailable' },
];

describe('a provider that fails in a stream', () => {
  test.each(interruptions)('$said is told as an error', async ({ said, code }) => {
    const { ask, calls } = cluster();
    const answer = await ask({ text: `sim:${said}`, model: freshModel(), stream: true });
    expect([answer.status, answer.end]).toEqual([200, 'error-event']);
    expect(answer.errorCode).toBe(code);
    expect(answer.body).not.toContain('[DONE]');
    const made = calls(answer.requestId);
    expect(made).toHaveLength(1);
    expect(made[0]?.text?.startsWith(answer.text)).toBe(true);
  });

  test('a stream in pieces of any size arrives as it was sent', async () => {
    const { ask, calls } = cluster();
    const sizes = [1, 2, 3, 5, 7, 11, 13, 64];
    const answers = await Promise.all(
      sizes.map((size) => ask({ text: `Grüße 🚀 sim:slice=${size}`, stream: true })),
    );
    for (const answer of answers) {
      expect(answer.end).toBe('whole');
      expect(answer.text).toBe(calls(answer.requestId)[0]?.text);
    }
  });
});

test('a provider that drips for ever is ended by the deadline of the request', async () => {
  const { ask, calls } = cluster();
  const text = 'sim:tokens=1000;drip=200ms';
  const answer = await ask({ text, model: freshModel(), stream: true });
  expect([answer.end, answer.errorCode]).toEqual(['error-event', 'total_timeout']);
  expect(answer.durationMs).toBeLessThan(13_000);
  expect(calls(answer.requestId)[0]?.ended).toBe('aborted-by-client');
});

test('a provider that fails for all of them is asked little more often than there are requests', async () => {
  const { ask, simulator } = cluster();
  const model = freshModel();
  const before = simulator.ledger.length;
  const count = 100;
  const answers = await Promise.all(
    Array.from({ length: count }, () => ask({ text: 'sim:status=503', model })),
  );
  for (const { status, errorCode } of answers) {
    expect([
      [503, 'provider_overloaded'],
      [502, 'circuit_open'],
    ]).toContainEqual([status, errorCode]);
  }
  expect(simulator.ledger.length - before).toBeLessThanOrEqual(1.2 * count);
  // The breaker is open: nobody is asked until it tries again.
  const asked = simulator.ledger.length;
  const refused = await ask({ text: 'Hello', model });
  expect([refused.status, refused.errorCode]).toEqual([502, 'circuit_open']);
  expect(simulator.ledger).toHaveLength(asked);
  const recovers = async () => (await ask({ text: 'Hello', model })).status === 200;
  await waitFor(recovers, { what: 'the provider to be tried again', intervalMs: 100 });
});
