import type { Delivery } from '@gateway/bus';
import {
  type AttemptedEvent,
  type ControlEvent,
  type FinishedEvent,
  type GatewayEvent,
  NO_USAGE,
  newRequestId,
  type ReceivedEvent,
} from '@gateway/protocol';
import { digestOf } from '../src/event-columns.ts';
import { type RequestEvent, type RequestState, stateOf } from '../src/row.ts';

/** Events of one request, each with the defaults of an ordinary one. */
export function eventsOf(requestId = newRequestId()) {
  const request = {
    schema: 1 as const,
    requestId,
    receivedAt: Date.UTC(2026, 9, 1, 12),
    tenant: 'acme',
    keyId: 'abcdefghijkl',
    endpoint: '/v1/chat/completions',
    method: 'POST',
    model: 'gpt-4o-mini',
    stream: false,
    clientIp: '192.0.2.7',
    userAgent: 'OpenAI/Python 2.0',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    configurationRevision: 'r1',
  };
  return {
    requestId,
    received: (change: Partial<ReceivedEvent> = {}): ReceivedEvent => ({
      ...request,
      kind: 'received',
      deadlineAt: request.receivedAt + 600_000,
      ...change,
    }),
    attempted: (change: Partial<AttemptedEvent> = {}): AttemptedEvent => ({
      kind: 'attempted',
      schema: 1,
      requestId,
      attempt: 1,
      at: request.receivedAt + 5,
      tenant: request.tenant,
      provider: 'openai',
      model: 'gpt-4o-mini',
      responseModel: 'gpt-4o-mini-2024-07-18',
      upstreamStatus: 200,
      finishReasons: ['stop'],
      usage: { ...NO_USAGE, inputTokens: 1_000, outputTokens: 100 },
      usageSource: 'provider',
      latencyMs: 812.5,
      assumed: false,
      ...change,
    }),
    finished: (change: Partial<FinishedEvent> = {}): FinishedEvent => ({
      ...request,
      kind: 'finished',
      finishedAt: request.receivedAt + 900,
      status: 200,
      ended: 'complete',
      attempts: 1,
      provider: 'openai',
      targetModel: 'gpt-4o-mini',
      cacheOutcome: 'miss',
      usage: { ...NO_USAGE, inputTokens: 1_000, outputTokens: 100 },
      latencyMs: 900.25,
      timeToFirstTokenMs: 300,
      responseBytes: 2_048,
      assumed: false,
      ...change,
    }),
  };
}

export function keyCreated(changeId: string): ControlEvent {
  return {
    kind: 'control',
    schema: 1,
    changeId,
    at: Date.UTC(2026, 9, 1),
    actorKeyId: 'bootstrap-admin',
    action: 'key.created',
    key: {
      schema: 1,
      id: 'abcdefghijkl',
      tenant: 'acme',
      name: 'a key',
      role: 'client',
      digest: 'a'.repeat(64),
      createdAt: '2026-10-01T00:00:00.000Z',
    },
  };
}

/** What the writer makes of an event. */
export function stateIn(event: RequestEvent): RequestState {
  return stateOf(event, digestOf(deliveryOf(event).bytes));
}

export type Settlement = 'acknowledged' | `retried after ${number} ms` | `quarantined: ${string}`;

/** A delivery that records how it was settled, which may be once only. */
export interface RecordedDelivery extends Delivery {
  readonly settlement: Settlement | undefined;
}

export function deliveryOf(
  value: GatewayEvent | unknown,
  headers: Readonly<Record<string, string>> = {},
): RecordedDelivery {
  let settlement: Settlement | undefined;
  const settle = (next: Settlement) => {
    if (settlement !== undefined) throw new Error(`settled twice: ${settlement}, ${next}`);
    settlement = next;
  };
  return {
    value,
    bytes: Buffer.from(JSON.stringify(value) ?? ''),
    deliveries: 1,
    headers,
    acknowledge: () => settle('acknowledged'),
    retry: (delayMs) => settle(`retried after ${delayMs} ms`),
    quarantine: async (reason) => settle(`quarantined: ${reason}`),
    get settlement() {
      return settlement;
    },
  };
}
