import { describe, expect, test } from 'vitest';
import { type HubDialect, openExchange } from '../src/index.ts';

const TOOLS = [{ type: 'function', name: 'weather', parameters: { type: 'object' } }];

function open(provider: HubDialect, model: string, input: unknown) {
  const body = {
    model: 'asked',
    input,
    store: false,
    include: ['reasoning.encrypted_content'],
    reasoning: { effort: 'low' },
    tools: TOOLS,
  };
  return openExchange({
    client: 'responses',
    provider,
    body: Buffer.from(JSON.stringify(body)),
    model,
    stream: false,
    includeUsage: true,
  });
}

/** The request of the turn after an answer, with the result of its one call. */
function nextTurn(provider: HubDialect, model: string, answer: object) {
  const question = { role: 'user', content: 'Weather in Oslo?' };
  const exchange = open(provider, model, [question]);
  const bytes = exchange.answer(Buffer.from(JSON.stringify(answer)));
  const { output } = JSON.parse(Buffer.from(bytes).toString()) as {
    output: { type: string; call_id?: string }[];
  };
  const call = output.find(({ type }) => type === 'function_call');
  const result = { type: 'function_call_output', call_id: call?.call_id, output: 'cold' };
  const { request } = open(provider, model, [question, ...output, result]);
  return JSON.parse(Buffer.from(request.body).toString());
}

describe('a turn that follows with nothing stored', () => {
  test("has Anthropic's thoughts as Anthropic signed them", () => {
    const content = [
      { type: 'thinking', thinking: 'I look it up.', signature: 'SIGNED' },
      { type: 'redacted_thinking', data: 'DARK' },
      { type: 'text', text: 'One moment.' },
      { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Oslo' } },
    ];
    const { messages } = nextTurn('messages', 'claude-sonnet-4-5', {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-4-5',
      content,
      stop_reason: 'tool_use',
      usage: { input_tokens: 3, output_tokens: 5 },
    });
    expect(messages[1]).toEqual({ role: 'assistant', content });
    expect(messages[2].content).toMatchObject([{ type: 'tool_result', tool_use_id: 'toolu_1' }]);
  });

  test("has Google's signature on the call that it signed", () => {
    const functionCall = { name: 'weather', args: { city: 'Oslo' } };
    const { contents } = nextTurn('gemini', 'gemini-3-pro', {
      responseId: 'r',
      modelVersion: 'gemini-3-pro',
      candidates: [
        {
          content: { role: 'model', parts: [{ functionCall, thoughtSignature: 'U0lHTkVE' }] },
          finishReason: 'STOP',
        },
      ],
      usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 5, totalTokenCount: 8 },
    });
    expect(contents[1].parts).toMatchObject([{ functionCall, thoughtSignature: 'U0lHTkVE' }]);
    expect(contents[2].parts).toMatchObject([{ functionResponse: { name: 'weather' } }]);
  });

  test('has the call and its result where a server wants no more', () => {
    const call = { name: 'weather', arguments: '{"city":"Oslo"}' };
    const { messages } = nextTurn('chat', 'deepseek-chat', {
      id: 'a',
      model: 'deepseek-chat',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            tool_calls: [{ id: 'c', type: 'function', function: call }],
          },
          finish_reason: 'tool_calls',
        },
      ],
    });
    expect(messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'c', type: 'function', function: call }],
      },
      { role: 'tool', tool_call_id: 'c', content: 'cold' },
    ]);
  });
});
