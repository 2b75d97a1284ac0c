/** What OpenAI's clients get besides answers of models, by OpenAI's own specification. */
import { ERROR_CODES, GatewayError } from '@gateway/protocol';
import { fixturesDirectory, fixturesMissingMessage } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { openaiSpecification } from '../../../libs/dialects/tests/openai-specification.ts';
import { errorBody } from '../src/error-reply.ts';
import { responsesErrors } from '../src/error-styles/responses.ts';
import { chat, startHarness } from './ingress-harness.ts';

const specification = openaiSpecification(fixturesDirectory());

function problemsOf(schema: string, value: unknown): string[] {
  return specification?.problems(schema, value) ?? ['not judged'];
}

describe.skipIf(specification === undefined)(
  specification === undefined ? fixturesMissingMessage : "OpenAI's specification",
  () => {
    const models = () => ({ models: [{ id: 'one-target', created: 5 }, { id: 'other/deep' }] });

    test('finds fault with what lacks something', () => {
      expect(problemsOf('Model', { id: 'a', object: 'model' })).not.toEqual([]);
      expect(problemsOf('ErrorResponse', { error: { message: 'a' } })).not.toEqual([]);
    });

    test('takes the list of models and each of them', async () => {
      const gateway = await startHarness({ models });
      const list = (await (await gateway.get('/v1/models')).json()) as { data: { id: string }[] };
      expect(problemsOf('ListModelsResponse', list)).toEqual([]);
      expect(list.data.length).toBeGreaterThan(5);
      for (const { id } of list.data) {
        const model = await (await gateway.get(`/v1/models/${id}`)).json();
        expect([id, ...problemsOf('Model', model)]).toEqual([id]);
      }
    });

    test.for(ERROR_CODES)('takes the error %s, bare and with all its facts', (code) => {
      const facts = { reason: 'json_too_deep', param: 'messages', retryAfterMs: 5, detail: 'd' };
      for (const error of [new GatewayError(code, 'Words.'), new GatewayError(code, '', facts)]) {
        expect(problemsOf('ErrorResponse', errorBody(error))).toEqual([]);
        const [, data] = responsesErrors.event(error, 'r').trimEnd().split('\ndata: ');
        expect(problemsOf('ResponseErrorEvent', JSON.parse(data ?? ''))).toEqual([]);
      }
    });

    test('takes refusals as they come over the wire', async () => {
      const gateway = await startHarness({ models });
      const refusals = [
        await gateway.post('{'),
        await gateway.post(chat({ n: 'many' })),
        await gateway.post(chat({ model: 'nothing' })),
        await gateway.post(chat(), { headers: { authorization: 'Bearer a-key-that-is-wrong' } }),
        await gateway.post(chat(), { headers: { 'content-type': 'text/plain' } }),
        await gateway.get('/v1/models/nothing'),
        await gateway.get('/v1/nothing'),
        await gateway.get('/v1/chat/completions'),
      ];
      expect(refusals.map(({ status }) => status)).toEqual([
        400, 400, 404, 401, 415, 404, 404, 405,
      ]);
      for (const refusal of refusals) {
        expect(problemsOf('ErrorResponse', await refusal.json())).toEqual([]);
      }
    });
  },
);
