import { openResponseId, responseIdKey } from '@gateway/dialects';
import { type KeptResponseRequest, keptResponseEndpoint, newRequestId } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { afterAll, describe, expect, test } from 'vitest';
import { type Question, REVISION, startReadyWorker } from './worker-harness.ts';

// Over NATS, so that the permissions of both services are tried, too.
const worker = await startReadyWorker({}, 'nats');
afterAll(() => worker[Symbol.asyncDispose]());

const stateKey = responseIdKey('pepper', 'tenant-1');
const OPENAI = { provider: 'openai', model: 'gpt-5' };
const ANTHROPIC = { provider: 'anthropic', model: 'claude-sonnet-4-5' };

async function respond(of: typeof OPENAI, fields: object = {}, more: Partial<Question> = {}) {
  const body = JSON.stringify({ model: 'asked', input: 'Hello', ...fields });
  const reply = await worker.ask({ ...of, dialect: 'responses', stateKey, body, ...more });
  if (reply.event !== undefined) {
    const seen = () => worker.attemptedOf(reply.requestId).length > 0;
    await waitFor(seen, { what: 'the event' });
  }
  return reply;
}

async function call(action: KeptResponseRequest['action'], id: string, provider = 'openai') {
  const value = {
    requestId: newRequestId(),
    configurationRevision: REVISION,
    action,
    id,
    stateKey,
    query: [],
  };
  const options = { timeoutMs: 10_000 };
  const reply = await worker.ingress.request(keptResponseEndpoint(provider), { value }, options);
  return JSON.parse(Buffer.from(reply.body ?? []).toString());
}

/** The provider's own id behind one of ours. */
function theirs(id: string): string {
  return openResponseId(stateKey, id)?.id ?? 'none';
}

describe('a response that OpenAI keeps', () => {
  test('is read, listed, gone on from and deleted under one id of ours', async () => {
    const { id } = JSON.parse((await respond(OPENAI)).body);
    expect(openResponseId(stateKey, id)?.provider).toBe('openai');
    expect(await call('get', theirs(id))).toMatchObject({ id, object: 'response' });
    const items = await call('input-items', theirs(id));
    expect(JSON.stringify(items.data)).toContain('Hello');

    const next = JSON.parse((await respond(OPENAI, { previous_response_id: id })).body);
    expect(next).toMatchObject({ previous_response_id: id, status: 'completed' });
    expect(theirs(next.id)).not.toBe(theirs(id));

    expect(await call('delete', theirs(id))).toMatchObject({ id, deleted: true });
    await expect(call('get', theirs(id))).rejects.toMatchObject({
      code: 'not_found',
      facts: { reason: 'response_not_found' },
    });
  });

  test('streams under one id of ours', async () => {
    const { body, event } = await respond(OPENAI, { stream: true }, { stream: true });
    const ids = [...body.matchAll(/"id":"(resp_[^"]+)"/g)].map(([, id]) => id ?? '');
    expect(new Set(ids).size).toBe(1);
    expect(await call('get', theirs(ids[0] ?? ''))).toMatchObject({ id: ids[0] });
    expect(event).toMatchObject({ usageSource: 'provider', finishReasons: ['stop'] });
  });
});

describe('a response that nobody keeps', () => {
  test('comes from another vendor under an id that opens nothing', async () => {
    const reply = await respond(ANTHROPIC);
    const answer = JSON.parse(reply.body);
    expect(answer).toMatchObject({ object: 'response', status: 'completed', store: false });
    expect(openResponseId(stateKey, answer.id)).toBeUndefined();
    expect(answer.usage.output_tokens).toBe(reply.event?.usage.outputTokens);
  });

  test('is not gone on from', async () => {
    const reply = await respond(ANTHROPIC, { previous_response_id: 'resp_1' });
    expect(reply.error).toMatchObject({
      code: 'invalid_request',
      facts: { param: 'previous_response_id' },
    });
    expect(reply.event).toBeUndefined();
  });

  test.each(['get', 'delete', 'input-items'] as const)('is not found by %s', async (action) => {
    const found = expect.objectContaining({ code: 'not_found' });
    await expect(call(action, 'resp_1', 'anthropic')).rejects.toEqual(found);
    await expect(call(action, 'resp_none')).rejects.toEqual(found);
  });
});
