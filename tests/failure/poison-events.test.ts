import { EVENT_SCHEMA, newRequestId, subjects } from '@gateway/protocol';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();

function attempted(more: object): string {
  return JSON.stringify({
    kind: 'attempted',
    schema: EVENT_SCHEMA,
    requestId: newRequestId(),
    attempt: 1,
    at: Date.now(),
    tenant: 'default',
    provider: 'openai',
    model: 'gpt-4o-mini',
    usage: { inputTokens: 1, outputTokens: 1 },
    usageSource: 'provider',
    latencyMs: 1,
    ...more,
  });
}

const poisons: Readonly<Record<string, string>> = {
  'what is no JSON': '{"kind":"attempted"',
  'what is no event': JSON.stringify({ schema: EVENT_SCHEMA, kind: 'something else' }),
  'a request id that is none': attempted({ requestId: 'abc' }),
  'a NUL byte': attempted({ model: 'gpt\u0000' }),
  'a count that overflows': attempted({ usage: { inputTokens: 1e300, outputTokens: 1 } }),
  'a negative count': attempted({ usage: { inputTokens: -1, outputTokens: 1 } }),
  'bytes that are no text': Buffer.from([0xff, 0xfe, 0x00]).toString('latin1'),
};

test('events that can never be stored are put aside, and all others flow', async () => {
  const { ask, bus, process, rows } = cluster();
  const answers = [];
  for (const poison of Object.values(poisons)) {
    answers.push(ask());
    await bus.publishEvent(subjects.event('attempted'), poison);
    answers.push(ask());
  }
  const ids = (await Promise.all(answers)).map(({ requestId }) => requestId ?? '');
  await cluster().quiet();
  const { quarantined, stored } = await bus.backlog();
  expect([quarantined, stored]).toEqual([Object.keys(poisons).length, 0]);
  expect(await rows()).toHaveLength(ids.length);
  const writer = process('audit-writer-1');
  expect((await writer.readiness()).status).toBe('ready');
  expect(writer.records.filter(({ msg }) => msg === 'an event was quarantined')).toHaveLength(
    Object.keys(poisons).length,
  );
});
