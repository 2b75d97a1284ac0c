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

  test('adds what is measured of a bound series to what is measured with its attributes', async () => {
    const counter = getMeter('example').createCounter('example.bound');
    const bound = counter.bind({ outcome: 'hit' });
    expect(await renderMetrics()).not.toContain('example_bound');
    bound.add(2);
    counter.add(1, { outcome: 'hit' });
    counter.add(-5, { outcome: 'hit' });
    expect(await renderMetrics()).toContain('example_bound_total{outcome="hit"} 3\n');
  });

  test('shows a sum that goes up and down, also when it is back at nothing', async () => {
    const running = getMeter('example').createUpDownCounter('example.running');
    running.add(1);
    running.add(-1);
    const text = await renderMetrics();
    expect(text).toContain('# TYPE example_running gauge\nexample_running 0\n');
  });

  test('counts a value on a boundary in the bucket below it', async () => {
    const histogram = getMeter('example').createHistogram('example.duration', {
      unit: 's',
      advice: { explicitBucketBoundaries: [0.1, 1] },
    });
    for (const value of [0, 0.1, 0.5, 1, 7, -1, Number.NaN]) histogram.record(value, { kind: 'x' });
    const lines = (await renderMetrics()).split('\n');
    const at = lines.indexOf('# TYPE example_duration histogram');
    expect(lines.slice(at - 1, at + 6)).toEqual([
      '# UNIT example_duration s',
      '# TYPE example_duration histogram',
      'example_duration_count{kind="x"} 5',
      'example_duration_sum{kind="x"} 8.6',
      'example_duration_bucket{kind="x",le="0.1"} 2',
      'example_duration_bucket{kind="x",le="1"} 4',
      'example_duration_bucket{kind="x",le="+Inf"} 5',
    ]);
  });

  test('shows the last that was observed, and nothing once nobody observes', async () => {
    const gauge = getMeter('example').createObservableGauge('example.waiting');
    const observe = (result: { observe(value: number): void }) => {
      result.observe(1);
      result.observe(7);
    };
    gauge.addCallback(observe);
    expect(await renderMetrics()).toContain('# TYPE example_waiting gauge\nexample_waiting 7\n');
    gauge.removeCallback(observe);
    expect(await renderMetrics()).not.toContain('example_waiting');
  });

  test('makes an instrument once, and none of another kind under its name', () => {
    const meter = getMeter('example');
    expect(meter.createCounter('example.once')).toBe(meter.createCounter('example.once'));
    expect(() => meter.createHistogram('example.once')).toThrow('another kind');
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
