/** Valid values of the protocol, each with ids of its own. */
import {
  type AttemptedEvent,
  type ControlEvent,
  DEFAULT_TIMEOUTS,
  EVENT_SCHEMA,
  type FinishedEvent,
  GatewayError,
  type InferenceHead,
  type InferenceRequest,
  KEY_SCHEMA,
  NO_USAGE,
  newInstanceId,
  newRequestId,
  type StoreMessage,
} from '@gateway/protocol';
import type { CallOptions, OutgoingCall, ReplyFrame } from '../../src/bus.ts';

/** A provider that no other test uses. */
export function newProvider(): string {
  return `p-${newInstanceId()}`;
}

export function inferenceRequest(provider: string, requestId = newRequestId()): InferenceRequest {
  return {
    requestId,
    tenant: 'default',
    dialect: 'chat',
    model: 'demo',
    target: { provider, model: 'demo' },
    configurationRevision: '0'.repeat(16),
    stream: true,
    includeUsage: false,
    timeouts: DEFAULT_TIMEOUTS,
  };
}

export const HEAD: InferenceHead = {
  contentType: 'text/event-stream',
  provider: 'demo',
  model: 'demo',
};

export function attempted(requestId: string, attempt = 1): AttemptedEvent {
  return {
    kind: 'attempted',
    schema: EVENT_SCHEMA,
    requestId,
    attempt,
    at: Date.now(),
    tenant: 'default',
    provider: 'demo',
    model: 'demo',
    finishReasons: ['stop'],
    usage: { ...NO_USAGE, inputTokens: 1 },
    usageSource: 'provider',
    latencyMs: 1,
    assumed: false,
  };
}

export function controlEvent(changeId = newRequestId()): ControlEvent {
  return {
    kind: 'control',
    schema: EVENT_SCHEMA,
    changeId,
    at: Date.now(),
    actorKeyId: 'admin',
    action: 'key.created',
    key: {
      schema: KEY_SCHEMA,
      id: 'abc',
      tenant: 'default',
      name: 'a key',
      role: 'client',
      digest: '0'.repeat(64),
      createdAt: '2026-01-01T00:00:00Z',
    },
  };
}

export function finished(requestId = newRequestId()): FinishedEvent {
  return {
    kind: 'finished',
    schema: EVENT_SCHEMA,
    requestId,
    receivedAt: Date.now(),
    tenant: 'default',
    keyId: 'abc',
    endpoint: '/v1/chat/completions',
    method: 'POST',
    model: 'demo',
    stream: false,
    clientIp: '127.0.0.1',
    userAgent: '',
    configurationRevision: '0'.repeat(16),
    finishedAt: Date.now(),
    status: 200,
    ended: 'abandoned',
    attempts: 0,
    cacheOutcome: 'bypass',
    usage: NO_USAGE,
    latencyMs: 1,
    responseBytes: 0,
    assumed: true,
  };
}

export const CALL_TIMEOUT_MS = 20_000;

export function callOptions(requestId: string, timeoutMs = CALL_TIMEOUT_MS): CallOptions {
  return { requestId, attempt: 1, deadlineAt: Date.now() + timeoutMs };
}

/** Every frame to the end. */
export async function collect<Head>(call: OutgoingCall<Head>): Promise<ReplyFrame<Head>[]> {
  const frames: ReplyFrame<Head>[] = [];
  for await (const frame of call) frames.push(frame);
  return frames;
}

export function bytesOf(frames: readonly ReplyFrame<unknown>[]): Buffer {
  return Buffer.concat(frames.flatMap((frame) => (frame.type === 'data' ? [frame.bytes] : [])));
}

/** The error of the last frame; throws when the last frame is none. */
export function errorOf(frames: readonly ReplyFrame<unknown>[]): GatewayError {
  const last = frames.at(-1);
  if (last?.type !== 'error') throw new Error(`the call ended with ${last?.type ?? 'nothing'}`);
  return last.error;
}

/** What the promise rejected with; throws when it resolved. */
export async function rejection(promise: Promise<unknown> | undefined): Promise<GatewayError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw new Error('rejected with something else than a GatewayError', { cause: error });
  }
  throw new Error('did not reject');
}

export function storeMessage(key: string): StoreMessage {
  const entry = { contentType: 'text/plain', provider: 'p', model: 'm', usage: NO_USAGE };
  return { tenant: 't', key, ttlSeconds: 1, entry: { ...entry, storedAt: 1 } };
}
