import { describe, expect, test } from 'vitest';
import { startInferenceSpan } from './inference-span.ts';
import { getMeter, renderMetrics } from './metrics.ts';

describe('renderMetrics', () => {
  test('renders instruments that were made before anything was started', async () => {
    const counter = getMeter('example').createCounter('example.answers', {
      description: 'Answers',
    });
    counter.add(2, { outcome: 'hit' });
    const text = await renderMetrics();
    expect(text).toContain('# TYPE example_answers_total counter\n');
    expect(text).toContain('example_answers_total{outcome="hit"} 2\n');
  });

  test('shows memory, processor time and the event loop of the process', async () => {
    const text = await renderMetrics();
    for (const name of ['process_memory_usage', 'v8js_memory_heap_used']) {
      expect(Number(text.match(new RegExp(`^${name} (\\d+)$`, 'm'))?.[1])).toBeGreaterThan(1e6);
    }
    expect(text).toMatch(/^process_cpu_time_total\{cpu_mode="user"\} \d/m);
    expect(text).toMatch(/^nodejs_eventloop_delay_p99 \d/m);
    expect(text).toMatch(/^nodejs_eventloop_utilization \d/m);
  });
});

describe('startInferenceSpan', () => {
  test('records duration, time to first chunk and tokens once', async () => {
    const inference = startInferenceSpan({
      operation: 'chat',
      provider: 'google',
      requestModel: 'a-client-may-write-anything-here',
      stream: true,
      serverAddress: 'generativelanguage.googleapis.com',
      serverPort: 443,
    });
    inference.firstChunk();
    inference.finish({
      usage: { inputTokens: 7, outputTokens: 5 },
      responseModel: 'gemini-2.5-flash',
      errorType: 'provider_timeout',
    });
    inference.finish({ usage: { inputTokens: 1000 } });

    const text = await renderMetrics();
    const samples = text.split('\n').filter((line) => line.includes('gcp.gemini'));
    const find = (start: string) => samples.filter((line) => line.startsWith(start));
    expect(find('gen_ai_client_operation_duration_count')).toEqual([
      expect.stringMatching(/error_type="provider_timeout".*\} 1$/),
    ]);
    expect(find('gen_ai_client_operation_time_to_first_chunk_count')).toHaveLength(1);
    expect(find('gen_ai_client_token_usage_sum')).toEqual([
      expect.stringMatching(/gen_ai_token_type="input"\} 7$/),
      expect.stringMatching(/gen_ai_token_type="output"\} 5$/),
    ]);
    expect(text).not.toContain('a-client-may-write-anything-here');
  });
});
