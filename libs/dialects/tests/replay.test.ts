import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from '@gateway/protocol';
import { fixturesDirectory, fixturesMissingMessage } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import {
  type Exchange,
  openExchange,
  type ProviderDialect,
  parseChatRequest,
} from '../src/index.ts';
import { type ClientAnswer, readStreamedAnswer, readWholeAnswer } from './client-answer.ts';
import { type RecordedCase, recordedCases } from './recorded-case.ts';

const directory = fixturesDirectory();
const cases = directory === undefined ? [] : recordedCases(directory);

/** Cases whose answer is not an answer to the client; each is an error with a reason. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'anthropic/messages.edge-handmade.02': 'the answer begins again, which chunks cannot take back',
  'google/streamGenerateContent.thinking.02': 'asked for arguments in pieces, which we never do',
  'google/streamGenerateContent.parallel-tools.02': 'asked for arguments in pieces, as well',
  'vertex/streamGenerateContent.partial-args.01': 'asked for arguments in pieces, as well',
  'google/streamGenerateContent.json-array-stream.01': 'asked without alt=sse, which we never do',
};

const SMALL_BYTES_MAX = 8 * 1024;

const FINISH: Readonly<Record<string, string>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
  MAX_TOKENS: 'length',
  SAFETY: 'content_filter',
};

function open({ dialect, isStream }: RecordedCase, includeUsage: boolean): Exchange {
  return openExchangeOf(dialect, isStream, includeUsage);
}

function openExchangeOf(
  provider: ProviderDialect,
  stream: boolean,
  includeUsage: boolean,
): Exchange {
  const request = {
    model: 'asked',
    messages: [{ role: 'user', content: 'Hello' }],
    stream,
    ...(includeUsage && { stream_options: { include_usage: true } }),
  };
  return openExchange({
    client: 'chat',
    provider,
    body: new TextEncoder().encode(JSON.stringify(request)),
    model: 'model-of-provider',
    stream,
    includeUsage,
  });
}

function play(exchange: Exchange, body: Uint8Array, pieceBytes: number): Uint8Array {
  const stream = exchange.stream();
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += pieceBytes) {
    pieces.push(stream.push(body.subarray(at, at + pieceBytes)));
  }
  pieces.push(stream.end());
  return Buffer.concat(pieces);
}

function chunkings(body: Uint8Array): number[] {
  return [body.length, 7, ...(body.length <= SMALL_BYTES_MAX ? [1] : [])];
}

function expectFacts(answer: ClientAnswer, recorded: RecordedCase): void {
  const { facts, dialect } = recorded;
  expect(answer.texts.filter((text) => text !== '')).toEqual(
    facts.text.filter((text) => text !== ''),
  );
  expect(answer.reasoning).toBe(facts.reasoning);
  if (dialect === 'chat') expect(answer.refusal).toBe(facts.refusal ?? '');
  expect(answer.toolCalls.map(({ name }) => name)).toEqual(
    facts.tool_calls.map(({ name }) => name),
  );
  for (const [index, call] of facts.tool_calls.entries()) {
    const got = answer.toolCalls[index];
    if (call.id) expect(got?.id).toBe(call.id);
    expect(jsonOrText(got?.arguments)).toEqual(jsonOrText(call.args));
  }
  const finish = facts.finish.map((reason) => {
    if (dialect === 'chat') return reason;
    if (reason === 'STOP' || reason === 'UNEXPECTED_TOOL_CALL') {
      return facts.tool_calls.length > 0 ? 'tool_calls' : 'stop';
    }
    return FINISH[reason];
  });
  expect(answer.finishReasons).toEqual(finish);
}

/** Empty arguments are `{}` for the client. */
function jsonOrText(text: string | undefined): unknown {
  if (text === '') return {};
  try {
    return JSON.parse(text ?? '');
  } catch {
    return text;
  }
}

/** Input with cached tokens and output with reasoning, by each vendor's own arithmetic. */
function tokensOf({ facts: { usage }, dialect }: RecordedCase): [number, number] | undefined {
  if (usage === null) return undefined;
  const sum = (...names: string[]) =>
    names.reduce((total, name) => total + Number(usage[name] ?? 0), 0);
  if (dialect === 'messages') {
    const cached = ['cache_read_input_tokens', 'cache_creation_input_tokens'];
    return [sum('input_tokens', ...cached), sum('output_tokens')];
  }
  if (dialect === 'gemini') {
    const input = sum('promptTokenCount', 'toolUsePromptTokenCount');
    return [input, sum('totalTokenCount') - input];
  }
  return [sum('prompt_tokens'), sum('total_tokens') - sum('prompt_tokens')];
}

function expectUsage(exchange: Exchange, answer: ClientAnswer, recorded: RecordedCase): void {
  const tokens = tokensOf(recorded);
  const { usage } = exchange.facts;
  expect(usage && [usage.inputTokens, usage.outputTokens]).toEqual(tokens);
  if (tokens === undefined || recorded.dialect === 'chat') return;
  expect([answer.usage?.prompt_tokens, answer.usage?.completion_tokens]).toEqual(tokens);
}

function thrownBy(action: () => unknown): unknown {
  try {
    action();
    return undefined;
  } catch (error) {
    return error;
  }
}

const answered = cases.filter(
  ({ id, status, facts }) => status === 200 && !facts.error && !(id in EXCEPTIONS),
);
const wholes = answered.filter(({ isStream }) => !isStream);
const streams = answered.filter(({ isStream }) => isStream);
const refused = cases.filter(({ status }) => status !== 200);
const brokenStreams = cases.filter(({ status, facts }) => status === 200 && facts.error);

describe.skipIf(directory === undefined)(
  directory === undefined ? fixturesMissingMessage : 'recorded answers',
  () => {
    test('the recordings are there, and every exception is one of them', () => {
      expect(answered.length).toBeGreaterThan(100);
      for (const id of Object.keys(EXCEPTIONS)) expect(cases.map((one) => one.id)).toContain(id);
    });

    test.each(wholes.map((one) => [one.id, one] as const))('%s reaches the client', (_id, one) => {
      const exchange = open(one, false);
      const body = exchange.answer(one.body);
      if (one.dialect === 'chat') expect(Buffer.compare(body, one.body)).toBe(0);
      const answer = readWholeAnswer(body);
      expectFacts(answer, one);
      expectUsage(exchange, answer, one);
    });

    test.each(streams.map((one) => [one.id, one] as const))(
      '%s reaches the client however it is split',
      (_id, one) => {
        for (const pieceBytes of chunkings(one.body)) {
          const exchange = open(one, true);
          const answer = readStreamedAnswer(play(exchange, one.body, pieceBytes));
          expectFacts(answer, one);
          expectUsage(exchange, answer, one);
          expect(answer.done).toBe(true);
        }
      },
    );

    test.each(streams.filter((one) => one.dialect === 'chat').map((one) => [one.id, one] as const))(
      '%s passes byte for byte, but for a usage chunk that the client did not ask for',
      (_id, one) => {
        const text = new TextDecoder().decode(one.body);
        const full = new TextDecoder().decode(play(open(one, true), one.body, 7));
        expect(full.startsWith(text)).toBe(true);
        expect(full.slice(text.length).trim()).toBe(
          text.includes('data: [DONE]') ? '' : 'data: [DONE]',
        );
        const pruned = new TextDecoder().decode(play(open(one, false), one.body, 7));
        const events = full.split(/(?<=\n\n)/);
        const kept = events.filter(
          (event) => !(/"choices":\s*\[\s*\]/.test(event) && /"usage":\s*\{/.test(event)),
        );
        expect(pruned).toBe(kept.join(''));
        expect(events.length - kept.length).toBeLessThanOrEqual(1);
      },
    );

    test.each(refused.map((one) => [one.id, one] as const))('%s is a clear error', (_id, one) => {
      const error = open(one, false).error(one.status, one.headers, one.body);
      const codes: Record<number, string[]> = {
        400: ['provider_rejected', 'content_filtered'],
        401: ['provider_auth_failed'],
        404: ['provider_model_not_found'],
        429: ['provider_rate_limited', 'provider_quota_exhausted'],
      };
      const wrongKey = new TextDecoder().decode(one.body).includes('API_KEY_INVALID');
      expect(wrongKey ? ['provider_auth_failed'] : codes[one.status]).toContain(error.code);
      expect(error.message).not.toBe('');
      expect(error.facts.upstreamStatus).toBe(one.status);
    });

    test.each(brokenStreams.map((one) => [one.id, one] as const))(
      '%s says the error that came in its stream',
      (_id, one) => {
        const thrown = thrownBy(() => play(open(one, false), one.body, 7));
        expect(thrown).toBeInstanceOf(GatewayError);
        expect((thrown as GatewayError).code).toMatch(/^provider_/);
      },
    );

    test.each(Object.entries(EXCEPTIONS))('%s is an error: %s', (id) => {
      const one = cases.find((candidate) => candidate.id === id);
      const exchange = one && open(one, false);
      const thrown = thrownBy(() =>
        one?.isStream ? exchange && play(exchange, one.body, 7) : one && exchange?.answer(one.body),
      );
      expect(thrown).toMatchObject({ code: 'provider_bad_response' });
    });
  },
);

interface DocumentedError {
  readonly name: string;
  readonly provider: 'openai' | 'anthropic' | 'google';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly sse: string | null;
}

describe.skipIf(directory === undefined)('documented errors', () => {
  const codes: Readonly<Record<string, string>> = {
    'anthropic-403-permission': 'provider_auth_failed',
    'anthropic-413-too-large': 'provider_rejected',
    'anthropic-429-rate-limit': 'provider_rate_limited',
    'anthropic-500-api-error': 'provider_unavailable',
    'anthropic-529-overloaded': 'provider_overloaded',
    'anthropic-stream-overloaded-first-event': 'provider_overloaded',
    'anthropic-stream-overloaded-mid': 'provider_overloaded',
    'google-403-permission': 'provider_auth_failed',
    'google-429-array': 'provider_rate_limited',
    'google-429-retryinfo': 'provider_rate_limited',
    'google-500-internal': 'provider_unavailable',
    'google-503-unavailable': 'provider_overloaded',
    'openai-401-invalid-key': 'provider_auth_failed',
    'openai-429-insufficient-quota': 'provider_quota_exhausted',
    'openai-429-rate-limit': 'provider_rate_limited',
    'openai-500-server-error': 'provider_unavailable',
    'openai-502-html': 'provider_unavailable',
    'openai-503-overloaded': 'provider_overloaded',
    'openai-chat-stream-error': 'provider_unavailable',
  };
  const dialects = { openai: 'chat', anthropic: 'messages', google: 'gemini' } as const;

  test.each(Object.entries(codes))('%s is %s', (name, code) => {
    const path = join(directory ?? '', 'documented-errors', `${name}.json`);
    const said = JSON.parse(readFileSync(path, 'utf8')) as DocumentedError;
    const { status, headers, sse } = said;
    const text = typeof said.body === 'string' ? said.body : JSON.stringify(said.body);
    const body = new TextEncoder().encode(sse ?? text);
    const exchange = openExchangeOf(dialects[said.provider], sse !== null, false);
    const thrown =
      sse === null
        ? exchange.error(status, headers, body)
        : thrownBy(() => play(exchange, body, body.length));
    expect(thrown).toMatchObject({ code });
  });
});

describe.skipIf(directory === undefined)('recorded requests', () => {
  const requests = cases.filter(({ dialect, request }) => dialect === 'chat' && request);

  test.each(requests.map((one) => [one.id, one] as const))('%s is judged', (_id, one) => {
    const body = one.request ?? new Uint8Array();
    // The provider itself answered this one with `empty_array`.
    if (one.id === 'openai/chat.error-400.02') {
      expect(thrownBy(() => parseChatRequest(body))).toMatchObject({ code: 'invalid_request' });
      return;
    }
    const { model, stream } = parseChatRequest(withModel(body));
    expect(model).not.toBe('');
    expect(stream).toBe(JSON.parse(new TextDecoder().decode(body)).stream ?? false);
  });

  test('requests of unmodified clients are accepted', () => {
    const folder = join(directory ?? '', 'clients');
    const captured = readdirSync(folder)
      .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
      .filter(({ url }) => url === '/v1/chat/completions');
    expect(captured.length).toBeGreaterThan(5);
    for (const { body } of captured) {
      const facts = parseChatRequest(new TextEncoder().encode(JSON.stringify(body)));
      expect(facts.includeUsage).toBe(body.stream_options?.include_usage ?? false);
    }
  });
});

/** Azure's requests name their model in the address. */
function withModel(body: Uint8Array): Uint8Array {
  const request = JSON.parse(new TextDecoder().decode(body));
  return new TextEncoder().encode(JSON.stringify({ model: 'deployment', ...request }));
}
