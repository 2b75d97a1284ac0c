import { APIError } from 'openai';
import { describe, expect, test } from 'vitest';
import {
  callsOf,
  createKey,
  MODELS,
  openaiClient,
  post,
  prompt,
  requestIdOf,
  rowOf,
} from './gateway-calls.ts';
import { gatewayKinds, useGateway } from './use-gateway.ts';

/** A provider call must not outlive its client by more. */
const ABORT_WITHIN_MS = 1_000;

/** What arrives until the connection ends, and whether it ended well. */
async function readToEnd(response: Response): Promise<{ text: string; failed: boolean }> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const bytes of response.body ?? []) text += decoder.decode(bytes, { stream: true });
    return { text, failed: false };
  } catch {
    return { text, failed: true };
  }
}

describe.each(gatewayKinds)('a stream of the $name gateway', (kind) => {
  const gateway = useGateway(kind);

  describe.each(MODELS)('from $provider', ({ provider, model }) => {
    test('arrives while the provider still speaks', async () => {
      const messages = [prompt('sim:tokens=20;hang=mid-stream')];
      const { data, request_id } = await openaiClient(gateway())
        .chat.completions.create({ model, messages, stream: true })
        .withResponse();
      let text = '';
      for await (const { choices } of data) {
        text += choices[0]?.delta.content ?? '';
        // Half of the words have come, and the provider will never say another one.
        if (text.includes('word8')) break;
      }
      const [call] = callsOf(gateway().simulator, request_id ?? '');
      expect(call).toBeDefined();
      const entry = await gateway().simulator.waitFor(
        ({ id, ended }) => id === call?.id && ended !== 'open',
        ABORT_WITHIN_MS,
      );
      expect(entry.ended).toBe('aborted-by-client');
    });

    test('that the provider cuts ends with an error, without [DONE] and not cleanly', async () => {
      const messages = [prompt('sim:tokens=40;cut=after:12')];
      const response = await post(gateway(), { model, messages, stream: true });
      expect(response.status).toBe(200);
      const { text, failed } = await readToEnd(response);
      expect(failed).toBe(true);
      expect(text).toContain('word1"');
      expect(text).not.toContain('[DONE]');
      const events = text.split('\n\n').filter(Boolean);
      expect(JSON.parse(events.at(-1)?.replace('data: ', '') ?? '')).toMatchObject({
        error: { type: 'upstream_error', code: 'stream_interrupted' },
      });
      const row = await rowOf(gateway(), requestIdOf(response));
      expect(row).toMatchObject({
        status: 200,
        ended: 'interrupted',
        error_code: 'stream_interrupted',
        attempts: 1,
        provider,
      });
      expect(row.attempt_details[0]?.usage_source).toBe('estimated');
      expect(row.output_tokens).toBeGreaterThan(0);
    });

    test('throws in the official client when the provider reports an error in it', async () => {
      const stream = await openaiClient(gateway()).chat.completions.create({
        model,
        messages: [prompt('sim:tokens=10;drip=20ms;stream-error')],
        stream: true,
      });
      const read: string[] = [];
      const reading = (async () => {
        for await (const { choices } of stream) read.push(choices[0]?.delta.content ?? '');
      })();
      await expect(reading).rejects.toThrow(APIError);
      expect(read.join('')).toContain('word1 word2');
    });

    test('whose client leaves is aborted, and the audit says so', async () => {
      const messages = [prompt('sim:tokens=1000;drip=20ms')];
      const leaving = new AbortController();
      const response = await post(
        gateway(),
        { model, messages, stream: true },
        { signal: leaving.signal },
      );
      const requestId = requestIdOf(response);
      const reader = response.body?.getReader();
      await reader?.read();
      await reader?.read();
      leaving.abort();
      await gateway().simulator.waitFor(
        ({ headers, ended }) =>
          headers['x-gateway-request-id'] === requestId && ended === 'aborted-by-client',
        ABORT_WITHIN_MS,
      );
      const row = await rowOf(gateway(), requestId);
      expect(row).toMatchObject({ ended: 'client_closed', attempts: 1, model, provider });
      expect(row.input_tokens).toBeGreaterThan(0);
      expect(row.attempt_details[0]).toMatchObject({
        error_code: 'client_closed',
        usage_source: 'estimated',
      });
    });
  });

  test('aborts the call of a client that leaves before its whole answer is there', async () => {
    const { id, key } = await createKey(gateway());
    const leaving = new AbortController();
    const asking = post(
      { baseUrl: gateway().baseUrl, clientKey: key },
      { model: 'gpt-4o', messages: [prompt('sim:hang=first-byte')] },
      { signal: leaving.signal },
    );
    const call = await gateway().simulator.waitFor(({ model, ended }) => {
      return model === 'gpt-4o' && ended === 'open';
    });
    leaving.abort();
    await expect(asking).rejects.toThrow();
    const entry = await gateway().simulator.waitFor(
      (candidate) => candidate === call && candidate.ended !== 'open',
      ABORT_WITHIN_MS,
    );
    expect(entry.ended).toBe('aborted-by-client');
    const row = await rowOf(gateway(), call.headers['x-gateway-request-id'] ?? '');
    expect(row).toMatchObject({ key_id: id, status: 499, ended: 'client_closed', attempts: 1 });
  });

  test('keeps characters whole that the provider sends in pieces', async () => {
    const text = 'Grüße, 世界 🌍!';
    for (const { model } of MODELS) {
      const stream = openaiClient(gateway()).chat.completions.stream({
        model,
        messages: [prompt(`${text} sim:slice=3`)],
      });
      expect(await stream.finalContent()).toContain(text);
    }
  });
});
