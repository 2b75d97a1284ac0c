import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLogger, type LogLevel } from './logger.ts';

const CANARY = 'canary0canary0canary0';

function openLog(level: LogLevel = 'info') {
  const lines: string[] = [];
  const output = { write: (line: string) => void lines.push(line) };
  return { lines, logger: createLogger('ingress', { level, instance: 'abcdefghij', output }) };
}

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterAll(() => context.disable());

describe('createLogger', () => {
  test('writes one JSON object a line with time, level, service, instance and component', () => {
    const { lines, logger } = openLog();
    logger.child({ component: 'plan' }).info({ attempt: 1 }, 'chosen');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      level: 'info',
      service: 'ingress',
      instance: 'abcdefghij',
      component: 'plan',
      attempt: 1,
      msg: 'chosen',
    });
  });

  test('writes the ids of the active span, and none without one', () => {
    const { lines, logger } = openLog();
    const span = trace.wrapSpanContext({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      traceFlags: 1,
    });
    context.with(trace.setSpan(ROOT_CONTEXT, span), () => logger.info('inside'));
    logger.info('outside');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      span_id: 'b7ad6b7169203331',
    });
    expect(lines[1]).not.toContain('trace_id');
  });

  test('writes nothing below its level', () => {
    const { lines, logger } = openLog('warn');
    logger.info('not written');
    logger.warn('written');
    expect(lines).toHaveLength(1);
  });

  test.each([
    ['a header object', { headers: { 'x-custom-auth': CANARY } }, 'text'],
    ['a field named like a secret', { nested: { apiKey: CANARY } }, 'text'],
    ['an error message', { error: new Error(`wrong key sk-${CANARY}`) }, 'text'],
    [
      'the cause of an error',
      { error: new Error('x', { cause: new Error(`Bearer ${CANARY}`) }) },
      '',
    ],
    [
      'a property of an error',
      { error: Object.assign(new Error('x'), { config: CANARY }) },
      'text',
    ],
    ['a URL', { url: `https://example.test/?key=${CANARY}` }, 'text'],
    ['the message', {}, `redis://:${CANARY}@cache:6379 refused`],
  ])('never writes a secret that comes in %s', (_name, fields, message) => {
    const { lines, logger } = openLog();
    logger.error(fields, message);
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain('canary');
    expect(() => JSON.parse(lines[0] ?? '')).not.toThrow();
  });

  test('never writes a secret that comes in the fields of a child or in an error alone', () => {
    const { lines, logger } = openLog();
    logger.child({ headers: { authorization: CANARY }, token: CANARY }).info('child');
    logger.error(new Error(`AIza${CANARY}`));
    expect(lines).toHaveLength(2);
    expect(lines.join('')).not.toContain('canary');
  });
});
