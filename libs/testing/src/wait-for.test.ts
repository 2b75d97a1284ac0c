import { expect, test } from 'vitest';
import { WaitTimeoutError, waitFor } from './wait-for.ts';

test('gives the first truthy value', async () => {
  let calls = 0;
  const condition = () => {
    calls += 1;
    return calls === 3 && 'value';
  };
  expect(await waitFor(condition, { what: 'the third call', intervalMs: 1 })).toBe('value');
});

test('says what it waited for and the last error of the condition', async () => {
  const wait = waitFor(() => Promise.reject(new Error('not yet')), {
    what: 'a thing',
    timeoutMs: 5,
    intervalMs: 1,
  });
  await expect(wait).rejects.toThrow(WaitTimeoutError);
  await expect(wait).rejects.toThrow('Waited 5 ms for a thing: not yet');
});
