/** The refusal of work that the process has no room for, and the count of such refusals. */
import { GatewayError } from '@gateway/protocol';
import { getMeter } from '@gateway/telemetry';

const RETRY_AFTER_MS = 2_000;

const refusals = getMeter('ingress').createCounter('gateway.ingress.shed_requests', {
  description: 'Requests that were refused because the process had no room for them',
});

/**
 * What there is too much of: running requests, lag of the event loop, heap, buffered bytes, or those
 * of the request's own key.
 */
export type Shortage = 'running' | 'lag' | 'heap' | 'bytes' | 'key_bytes';

/** Counts the refusal, and makes the error that says it. */
export function shed(shortage: Shortage): GatewayError {
  refusals.add(1, { shortage });
  return new GatewayError('overloaded', 'The gateway has too much to do. Try again.', {
    retryAfterMs: RETRY_AFTER_MS,
    detail: shortage,
  });
}
