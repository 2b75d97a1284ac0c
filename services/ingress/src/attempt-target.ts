/** One attempt: the call to a worker, relayed to the client frame by frame. */
import type { Bus, OutgoingCall } from '@gateway/bus';
import { answerTextBytes, estimatePromptTokens, estimateTokens } from '@gateway/dialects';
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
  /** The request as JSON says it. */
  readonly parsed: object;
  /** Whether the attempt goes on when the client has left. */
  readonly finishesAlone: boolean;
  readonly reply: ClientReply;
  readonly record: RequestRecord;
  readonly deadlineAt: number;
  readonly bus: Bus;
  readonly ledger: Ledger;
}

export interface FailedAttempt {
  readonly error: GatewayError;
  /** Whether the provider was called, or may have been. */
  readonly called: boolean;
}

/** Resolves with nothing once the client was answered, or with what went wrong. Never rejects. */
export async function attemptTarget(
  inference: InferenceRequest,
  attempt: number,
  context: AttemptContext,
): Promise<FailedAttempt | undefined> {
  const { request, reply, record, deadlineAt, bus, finishesAlone } = context;
  const startedAt = Date.now();
  let call: OutgoingCall<InferenceHead>;
  try {
    call = bus.call(
      inferenceEndpoint(inference.target.provider),
      { value: inference, body: request.body },
      { requestId: inference.requestId, attempt, deadlineAt },
    );
  } catch (error) {
    return { error: toGatewayError(error), called: false };
  }
  const cancel = () => call.cancel(toGatewayError(reply.gone.reason));
  if (!finishesAlone) reply.gone.addEventListener('abort', cancel, { once: true });
  const delivered: Delivered = { textBytes: 0 };
  try {
    const { error, event } = await relay(call, inference, delivered, context).catch(broken);
    if (event) record.attempted(event);
    else if (error && call.worker !== undefined && !record.knowsAttempt(attempt)) {
      const lost = lostAttempt(inference, { attempt, startedAt, error, delivered }, context);
      record.attempted(lost);
      await context.ledger.record(lost).catch(() => {
        // `finished` counts the attempt as well, and goes on trying until it is stored.
      });
    }
    return error && { error, called: record.knowsAttempt(attempt) };
  } finally {
    reply.gone.removeEventListener('abort', cancel);
  }
}

/** How much of the answer came. */
interface Delivered {
  textBytes: number;
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
  delivered: Delivered,
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
        delivered.textBytes += answerTextBytes(inference.dialect, frame.bytes);
        if (reply.gone.aborted) {
          // Taken, so that the worker may go on, and dropped.
          whole.drop();
        } else if (inference.stream) {
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

  drop(): void {
    this.#pieces = [];
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#pieces);
  }
}

interface LostAttempt {
  readonly attempt: number;
  readonly startedAt: number;
  readonly error: GatewayError;
  readonly delivered: Delivered;
}

/**
 * What is assumed of a worker that took the call and was lost: that it has called the provider, which
 * has read the prompt and written what was delivered. If the worker still tells the truth, that
 * replaces it.
 */
function lostAttempt(
  { requestId, tenant, target }: InferenceRequest,
  { attempt, startedAt, error, delivered }: LostAttempt,
  { parsed }: AttemptContext,
): AttemptedEvent {
  return {
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
    usage: {
      ...NO_USAGE,
      inputTokens: estimatePromptTokens(parsed),
      outputTokens: estimateTokens(delivered.textBytes),
    },
    usageSource: 'estimated',
    latencyMs: Date.now() - startedAt,
    assumed: true,
  };
}
