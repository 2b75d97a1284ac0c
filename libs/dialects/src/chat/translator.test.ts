import { describe, expect, test } from 'vitest';
import type { Exchange } from '../exchange.ts';
import { openTranslatedExchange } from '../translated-exchange.ts';
import { chatClient } from './client.ts';
import { asChatRequest } from './parse-request.ts';
import { providerRequestFromChat } from './provider-request.ts';
import { chatTranslator } from './translator.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const hello = [{ role: 'user', content: 'Hello' }];

function bodyOf(fields: object, model = 'gpt-5', stream = false) {
  const request = asChatRequest({ model: 'asked', messages: hello, ...fields });
  return providerRequestFromChat(request, model, stream).body;
}

function open(stream: boolean): Exchange {
  const body = encode(JSON.stringify({ model: 'asked', messages: hello, stream }));
  const options = { client: 'chat', provider: 'chat', includeUsage: true } as const;
  const exchange = { ...options, body, model: 'served', stream };
  return openTranslatedExchange(exchange, chatClient, chatTranslator);
}

interface Said {
  readonly finish_reason: string | null;
  readonly delta: Record<string, unknown>;
}

function deltasOf(...chunks: readonly (object | string)[]): Said[] {
  const stream = open(true).stream();
  const text = chunks
    .map((chunk) => `data: ${typeof chunk === 'string' ? chunk : JSON.stringify(chunk)}\n\n`)
    .join('');
  const bytes = Buffer.concat([stream.push(encode(text)), stream.end()]).toString();
  const events = bytes.split('\n\n').filter((event) => event.startsWith('data: {'));
  return events.flatMap((event) => JSON.parse(event.slice('data: '.length)).choices as Said[]);
}

const chunk = (delta: object, finish_reason: string | null = null) => ({
  id: 'c',
  choices: [{ index: 0, delta, finish_reason }],
});
const joined = (said: readonly Said[], name: string) =>
  said.map(({ delta }) => delta[name] ?? '').join('');
const callsOf = (said: readonly Said[]) =>
  said.flatMap(({ delta }) => (delta.tool_calls ?? []) as Record<string, unknown>[]);

describe('providerRequestFromChat', () => {
  test('names the model, and asks a stream for its usage', () => {
    expect(bodyOf({ stream: true, stream_options: { include_usage: false } }, 'm', true)).toEqual({
      model: 'm',
      messages: hello,
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test.each([
    ['gpt-5', 'max_completion_tokens'],
    ['openai/o3', 'max_completion_tokens'],
    ['mistral-large', 'max_tokens'],
  ])('gives %s its limit as %s', (model, name) => {
    expect(bodyOf({ max_completion_tokens: 5 }, model)).toMatchObject({ [name]: 5 });
    expect(bodyOf({ max_tokens: 5 }, model)).toMatchObject({ [name]: 5 });
  });

  test.each([
    ['gpt-5', 'high', 'high'],
    ['gpt-5', 'max', 'xhigh'],
    ['gpt-5', 'none', undefined],
    ['gpt-5.1', 'none', 'none'],
    ['gpt-4o', 'high', undefined],
    ['grok-4', 'low', 'low'],
  ])('asks %s for the effort %s as %s', (model, effort, expected) => {
    expect(bodyOf({ reasoning_effort: effort }, model).reasoning_effort).toBe(expected);
  });

  test('says nothing that is not in the dialect', () => {
    const mark = { cache_control: { type: 'ephemeral' } };
    const call = { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } };
    const messages = [
      { role: 'user', content: [{ type: 'text', text: 'a', ...mark }] },
      {
        role: 'assistant',
        content: null,
        reasoning_details: [{}],
        reasoning_content: 'Hm',
        tool_calls: [{ ...call, extra_content: {} }],
      },
      { role: 'tool', tool_call_id: 'a', content: 'no', is_error: true },
    ];
    const tools = [{ type: 'function', function: { name: 'f' }, ...mark }];
    expect(bodyOf({ messages, tools, top_k: 3 })).toEqual({
      model: 'gpt-5',
      messages: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: 'a', content: 'no' },
      ],
      tools: [{ type: 'function', function: { name: 'f' } }],
    });
    const thoughts = bodyOf({ messages }, 'deepseek-chat').messages as {
      reasoning_content?: string;
    }[];
    expect(thoughts[1]?.reasoning_content).toBe('Hm');
  });

  test('tells the models that know it where a cached prefix ends', () => {
    const cached = { type: 'text', text: 'a', cache_control: { type: 'ephemeral' } };
    const messages = [{ role: 'user', content: [cached] }];
    const breakpoint = { prompt_cache_breakpoint: { mode: 'explicit' } };
    expect(bodyOf({ messages }, 'gpt-5.6-terra').messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'a', ...breakpoint }] },
    ]);
    expect(bodyOf({ messages }, 'gpt-5.5').messages).toEqual([{ role: 'user', content: 'a' }]);
  });

  test('lets the user show the images of tool results, behind the last of them', () => {
    const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
    const result = (id: string, content: unknown) => ({ role: 'tool', tool_call_id: id, content });
    const said = { type: 'text', text: 'seen' };
    const messages = [result('a', [said, image]), result('b', [image]), ...hello];
    expect(bodyOf({ messages }).messages).toEqual([
      result('a', 'seen'),
      result('b', ''),
      { role: 'user', content: [image, image] },
      ...hello,
    ]);
  });
});

describe('chunks of other servers', () => {
  test.each<[string, object[], string, string]>([
    ['DeepSeek', [{ reasoning_content: 'Hm' }, { content: 'Hi' }], 'Hm', 'Hi'],
    ['Groq', [{ reasoning: 'Hm' }, { content: 'Hi' }], 'Hm', 'Hi'],
    ['OpenRouter', [{ reasoning: 'Hm', reasoning_content: 'Hm', content: 'Hi' }], 'Hm', 'Hi'],
    [
      'Mistral',
      [
        { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] }] },
        {
          content: [
            { type: 'text', text: 'Hi' },
            { type: 'reference', reference_ids: [1] },
          ],
        },
      ],
      'Hm',
      'Hi',
    ],
  ])('of %s say thoughts and text', (_name, deltas, reasoning, content) => {
    const said = deltasOf(...deltas.map((delta) => chunk(delta)), chunk({}, 'stop'));
    expect([joined(said, 'reasoning_content'), joined(said, 'content')]).toEqual([
      reasoning,
      content,
    ]);
  });

  const piece = (index: number | null, more: object) => ({
    tool_calls: [{ ...(index !== null && { index }), ...more }],
  });
  const f = (text: string) => ({ function: { name: 'f', arguments: text } });

  test.each<[string, object[], [string, string][]]>([
    [
      'in pieces',
      [
        piece(0, { id: 'a', ...f('') }),
        piece(0, { function: { arguments: '{"a"' } }),
        piece(0, { function: { arguments: ':1}' } }),
      ],
      [['a', '{"a":1}']],
    ],
    ['whole', [piece(0, { id: 'a', ...f('{}') })], [['a', '{}']]],
    [
      'all with the index 0',
      [piece(0, { id: 'a', ...f('{}') }), piece(0, { id: 'b', ...f('{}') })],
      [
        ['a', '{}'],
        ['b', '{}'],
      ],
    ],
    ['without arguments', [piece(0, { id: 'a', ...f('') })], [['a', '{}']]],
    ['without an index', [piece(null, { id: 'a', ...f('{}') })], [['a', '{}']]],
    ['in the legacy form', [{ function_call: { name: 'f', arguments: '{}' } }], [['', '{}']]],
  ])('say calls %s', (_name, deltas, expected) => {
    const said = deltasOf(...deltas.map((delta) => chunk(delta)), chunk({}, 'stop'));
    const calls = new Map<unknown, [string, string]>();
    for (const { index, id, function: called } of callsOf(said)) {
      const known = calls.get(index) ?? [String(id), ''];
      calls.set(index, [known[0], known[1] + (called as { arguments: string }).arguments]);
    }
    expect(
      [...calls.values()].map(([id, text], at) => [expected[at]?.[0] === '' ? '' : id, text]),
    ).toEqual(expected);
    expect(said.at(-1)?.finish_reason).toBe('tool_calls');
  });

  test('say what proves a thought', () => {
    const detail = { type: 'reasoning.text', signature: 'S', format: 'anthropic-claude-v1' };
    const secret = {
      type: 'reasoning.encrypted',
      data: 'D',
      id: 'r',
      format: 'openai-responses-v1',
    };
    const said = deltasOf(
      chunk({ reasoning: 'Hm', reasoning_details: [{ type: 'reasoning.text', text: 'Hm' }] }),
      chunk({ reasoning_details: [detail, secret, { type: 'reasoning.encrypted', data: 'X' }] }),
      chunk({}, 'stop'),
    );
    const details = said.flatMap(({ delta }) => (delta.reasoning_details ?? []) as object[]);
    expect(details).toEqual([
      { ...detail, text: 'Hm', index: 0 },
      { ...secret, index: 1 },
    ]);
  });

  test('say sources', () => {
    const annotation = {
      type: 'url_citation',
      url_citation: { url: 'https://a', title: 'A', start_index: 0, end_index: 2 },
    };
    const said = deltasOf(chunk({ content: 'Hi', annotations: [annotation] }), chunk({}, 'stop'));
    expect(said.flatMap(({ delta }) => delta.annotations ?? [])).toEqual([annotation]);
  });

  test('end with [DONE] where no reason is given', () => {
    expect(deltasOf(chunk({ content: 'Hi' }), '[DONE]').at(-1)?.finish_reason).toBe('stop');
  });

  test.each(['error', 'insufficient_system_resource'])(
    'that end with %s are an error',
    (reason) => {
      expect(() => deltasOf(chunk({ content: 'Hi' }, reason))).toThrow(
        expect.objectContaining({ code: 'provider_unavailable' }),
      );
    },
  );

  test('that stop are interrupted', () => {
    expect(() => deltasOf(chunk({ content: 'Hi' }))).toThrow(
      expect.objectContaining({ code: 'stream_interrupted' }),
    );
  });
});
