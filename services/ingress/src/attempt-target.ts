/** One attempt: the call to a worker, relayed to the client frame by frame. */
import type { Bus, OutgoingCall } from '@gateway/bus';
import {
  type AttemptedEvent,
  EVENT_SCHEMA,
  GatewayError,
  type InferenceHead,
  type InferenceRequest,
  inferenceEndpoint,
  NO_USAGE,
  toGatewayError,
} from '@gateway/protocol';
import type { ClientReply } from './client-reply.ts';
import { finalEventStart } from './final-event.ts';
import type { Ledger } from './ledger.ts';
import type { ClientRequest, RequestRecord } from './request-record.ts';

/** Answers that are not streamed are collected up to this, so that they go out whole or not at all. */
const WHOLE_ANSWER_BYTES_MAX = 32 * 1024 * 1024;

export interface AttemptContext {
  readonly request: ClientRequest;
  readonly reply: ClientReply;
  readonly record: RequestRecord;
  readonly deadlineAt: number;
  readonly bus: Bus;
  readonly ledger: Ledger;
}

/** Resolves with nothing once the client was answered, or with what went wrong. Never rejects. */
export async function attemptTarget(
  inference: InferenceRequest,
  attempt: number,
  context: AttemptContext,
): Promise<GatewayError | undefined> {
  const { request, reply, record, deadlineAt, bus } = context;
  const startedAt = Date.now();
  let call: OutgoingCall<InferenceHead>;
  try {
    call = bus.call(
      inferenceEndpoint(inference.target.provider),
      { value: inference, body: request.body },
      { requestId: inference.requestId, attempt, deadlineAt },
    );
  } catch (error) {
    return toGatewayError(error);
  }
  const cancel = () => call.cancel(toGatewayError(reply.gone.reason));
  reply.gone.addEventListener('abort', cancel, { once: true });
  if (reply.gone.aborted) cancel();
  try {
    const { error, event } = await relay(call, inference, context).catch(broken);
    if (event) record.attempted(event);
    else if (error && call.worker !== undefined && !record.knowsAttempt(attempt)) {
      await recordLostAttempt(inference, attempt, startedAt, error, context);
    }
    return error;
  } finally {
    reply.gone.removeEventListener('abort', cancel);
  }
}

interface RelayOutcome {
  readonly error?: GatewayError;
  readonly event?: AttemptedEvent;
}

/** Something in our own code broke; leaving the loop over the frames has cancelled the call. */
function broken(thrown: unknown): RelayOutcome {
  return { error: toGatewayError(thrown) };
}

async function relay(
  call: OutgoingCall<InferenceHead>,
  inference: InferenceRequest,
  { reply, record }: AttemptContext,
): Promise<RelayOutcome> {
  let head: InferenceHead | undefined;
  const whole = new WholeAnswer();
  // Clients hang up as soon as they read the final event, so it waits until the attempt is recorded.
  let final: Uint8Array = new Uint8Array();
  for await (const frame of call) {
    switch (frame.type) {
      case 'accepted':
        break;
      case 'head':
        head = frame.head;
        if (inference.stream) beginStream(head, reply, record);
        break;
      case 'data':
        if (inference.stream) {
          const bytes = final.length === 0 ? frame.bytes : Buffer.concat([final, frame.bytes]);
          const start = finalEventStart(bytes);
          final = bytes.subarray(start);
          await reply.write(bytes.subarray(0, start));
        } else if (!whole.add(frame.bytes)) {
          call.cancel(tooLarge());
        }
        break;
      case 'error':
        // The worker's word for a call that we cancelled says nothing of why.
        return whole.isTooLarge ? { ...frame, error: tooLarge() } : frame;
      case 'end':
        if (whole.isTooLarge) return { error: tooLarge(), event: frame.event };
        record.attempted(frame.event);
        if (inference.stream) reply.end(final);
        else if (head) sendWhole(head, whole.bytes(), reply, record);
        return {};
    }
  }
  return { error: new GatewayError('internal', 'The answer has no end.') };
}

function beginStream(head: InferenceHead, reply: ClientReply, record: RequestRecord): void {
  record.answeredBy(head.provider, head.model);
  reply.begin(head.contentType, {
    ...record.headers(),
    // The attempt that streams is counted when it ends; its client hears of it now.
    'x-gateway-attempts': String(record.attempts + 1),
  });
}

function sendWhole(
  head: InferenceHead,
  body: Uint8Array,
  reply: ClientReply,
  record: RequestRecord,
): void {
  record.answeredBy(head.provider, head.model);
  reply.sendWhole(200, head.contentType, body, record.headers());
}

function tooLarge(): GatewayError {
  return new GatewayError('provider_bad_response', 'The answer of the provider is too large.');
}

class WholeAnswer {
  #pieces: Uint8Array[] = [];
  #length = 0;

  get isTooLarge(): boolean {
    return this.#length > WHOLE_ANSWER_BYTES_MAX;
  }

  /** False, and nothing kept, once the answer is too large. */
  add(bytes: Uint8Array): boolean {
    this.#length += bytes.length;
    if (this.isTooLarge) {
      this.#pieces = [];
      return false;
    }
    this.#pieces.push(bytes);
    return true;
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#pieces);
  }
}

/**
 * A worker that took the call and was lost may have paid for it. Its attempt is written down as
 * assumed; if the worker still tells the truth, that replaces it.
 */
async function recordLostAttempt(
  { requestId, tenant, target }: InferenceRequest,
  attempt: number,
  startedAt: number,
  error: GatewayError,
  { record, ledger }: AttemptContext,
): Promise<void> {
  const event: AttemptedEvent = {
    kind: 'attempted',
    schema: EVENT_SCHEMA,
    requestId,
    attempt,
    at: startedAt,
    tenant,
    provider: target.provider,
    model: target.model,
    errorCode: error.code,
    finishReasons: [],
    usage: NO_USAGE,
    usageSource: 'unknown',
    latencyMs: Date.now() - startedAt,
    assumed: true,
  };
  record.attempted(event);
  await ledger.record(event).catch(() => {
    // `finished` counts the attempt as well, and goes on trying until it is stored.
  });
}
