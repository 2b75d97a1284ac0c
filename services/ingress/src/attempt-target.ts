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
import type { BudgetShare, ByteBudget } from './byte-budget.ts';
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
  /** What answers that are collected whole may take. */
  readonly byteBudget: ByteBudget;
  /** Aborts when whatever still runs must end. */
  readonly drainEnding: AbortSignal;
}

export interface FailedAttempt {
  readonly error: GatewayError;
  /** Whether the provider was called, or may have been. */
  readonly called: boolean;
  /** Whether no other attempt could do better. */
  readonly isFinal: boolean;
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
    return { error: toGatewayError(error), called: false, isFinal: false };
  }
  const cancel = () => call.cancel(toGatewayError(reply.gone.reason));
  const end = () => call.cancel(shuttingDown());
  context.drainEnding.addEventListener('abort', end, { once: true });
  if (!finishesAlone) reply.gone.addEventListener('abort', cancel, { once: true });
  const delivered: Delivered = { textBytes: 0 };
  try {
    const relayed = await relay(call, inference, delivered, context).catch(broken);
    const { error, event, isFinal = false } = relayed;
    if (event) {
      record.attempted(event);
      // Neither JetStream nor the spool had room for it.
      if (error?.code === 'audit_unavailable') context.ledger.recordLater(event);
    } else if (error && call.worker !== undefined && !record.knowsAttempt(attempt)) {
      const lost = lostAttempt(inference, { attempt, startedAt, error, delivered }, context);
      record.attempted(lost);
      await context.ledger.record(lost).catch(() => context.ledger.recordLater(lost));
    }
    return error && { error, called: record.knowsAttempt(attempt), isFinal };
  } finally {
    context.drainEnding.removeEventListener('abort', end);
    reply.gone.removeEventListener('abort', cancel);
  }
}

/** Said to clients whose requests outlast the time to drain. */
export function shuttingDown(): GatewayError {
  return new GatewayError('shutting_down', 'This gateway is shutting down. Try again.');
}

/** How much of the answer came. */
interface Delivered {
  textBytes: number;
}

interface RelayOutcome {
  readonly error?: GatewayError;
  readonly event?: AttemptedEvent;
  readonly isFinal?: boolean;
}

/** Something in our own code broke; leaving the loop over the frames has cancelled the call. */
function broken(thrown: unknown): RelayOutcome {
  return { error: toGatewayError(thrown) };
}

async function relay(
  call: OutgoingCall<InferenceHead>,
  inference: InferenceRequest,
  delivered: Delivered,
  { reply, record, byteBudget }: AttemptContext,
): Promise<RelayOutcome> {
  let head: InferenceHead | undefined;
  using whole = new WholeAnswer(byteBudget.answerShare());
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
        } else {
          whole.add(frame.bytes);
          if (whole.refusal) call.cancel(whole.refusal.error);
        }
        break;
      case 'error':
        // The worker's word for a call that we cancelled says nothing of why.
        return { ...frame, ...whole.refusal };
      case 'end':
        if (whole.refusal) return { ...whole.refusal, event: frame.event };
        record.attempted(frame.event);
        if (inference.stream) reply.end(final);
        else if (head) {
          sendWhole(head, whole.bytes(), reply, record);
          whole.heldUntil(reply.settled());
        }
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

class WholeAnswer implements Disposable {
  readonly #share: BudgetShare;
  #pieces: Uint8Array[] = [];
  #length = 0;
  #refusal: Required<Pick<RelayOutcome, 'error' | 'isFinal'>> | undefined;
  #isHeld = false;

  constructor(share: BudgetShare) {
    this.#share = share;
  }

  /** Why the answer is not kept: it is too large, or there is no room for it. */
  get refusal(): Required<Pick<RelayOutcome, 'error' | 'isFinal'>> | undefined {
    return this.#refusal;
  }

  add(bytes: Uint8Array): void {
    if (this.#refusal) return;
    this.#length += bytes.length;
    try {
      if (this.#length > WHOLE_ANSWER_BYTES_MAX) throw tooLarge();
      this.#share.growTo(this.#length);
      this.#pieces.push(bytes);
    } catch (thrown) {
      const error = toGatewayError(thrown);
      this.drop();
      // Another answer would find no more room, and cost again.
      this.#refusal = { error, isFinal: error.code === 'overloaded' };
    }
  }

  drop(): void {
    this.#pieces = [];
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#pieces);
  }

  /** Its room is taken until the client has it. */
  heldUntil(settled: Promise<void>): void {
    this.#isHeld = true;
    void settled.then(() => this.#share.release());
  }

  [Symbol.dispose](): void {
    if (!this.#isHeld) this.#share.release();
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
