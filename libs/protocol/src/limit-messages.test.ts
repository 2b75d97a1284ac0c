import { describe, expect, test } from 'vitest';
import { MESSAGE_BYTES_MAX } from './endpoints.ts';
import { newRequestId } from './identity.ts';
import { CONCURRENCY_MAX } from './keys.ts';
import {
  heldSlots,
  LIMITS_PER_REQUEST_MAX,
  limit,
  RENEWAL_BATCH_MAX,
  renewSlots,
  reserveRequest,
} from './limit-messages.ts';

const scope = `tenant:${'a'.repeat(64)}`;
const held = () => ({
  requestId: newRequestId(),
  scopes: Array.from({ length: LIMITS_PER_REQUEST_MAX }, () => scope),
});

describe('limits', () => {
  test('of concurrency go up to the bound and not one further', () => {
    const isValid = (amount: number) =>
      limit.safeParse({ scope, kind: 'concurrency', amount }).success;
    expect([0, 1, CONCURRENCY_MAX, CONCURRENCY_MAX + 1].map(isValid)).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  test('of one request are as many as the bound and not one more', () => {
    const ask = (count: number) => ({
      requestId: newRequestId(),
      limits: Array.from({ length: count }, () => ({ scope, kind: 'concurrency', amount: 1 })),
    });
    expect(reserveRequest.safeParse(ask(LIMITS_PER_REQUEST_MAX)).success).toBe(true);
    expect(reserveRequest.safeParse(ask(LIMITS_PER_REQUEST_MAX + 1)).success).toBe(false);
  });
});

describe('held slots', () => {
  test('are in as many scopes as a request may have limits and not in one more', () => {
    expect(heldSlots.safeParse(held()).success).toBe(true);
    const oneMore = { ...held(), scopes: [...held().scopes, scope] };
    expect(heldSlots.safeParse(oneMore).success).toBe(false);
  });

  test('are renewed for as many requests as the bound and not one more', () => {
    const largest = { held: Array.from({ length: RENEWAL_BATCH_MAX }, held) };
    expect(renewSlots.safeParse(largest).success).toBe(true);
    expect(renewSlots.safeParse({ held: [...largest.held, held()] }).success).toBe(false);
    expect(renewSlots.safeParse({ held: [] }).success).toBe(false);
    expect(JSON.stringify(largest).length).toBeLessThan(MESSAGE_BYTES_MAX);
  });
});
