/** One attempt: the call to a worker, relayed to the client frame by frame. */
import type { Bus, FrameConsumer, OutgoingCall, ReplyFrame } from '@gateway/bus';
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
import { type ClientReply, clientClosed } from './client-reply.ts';
import { finalEventStart } from './final-event.ts';
import type { Ledger } from './ledger.ts';
import type { ClientRequest, RequestRecord } from './request-record.ts';

/** Answers that are not streamed are collected up to this, so that they go out whole or not at all. */
const WHOLE_ANSWER_BYTES_MAX = 32 * 1024 * 1024;
const NO_BYTES = new Uint8Array();

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
  const end = () => call.cancel(shuttingDown());
  context.drainEnding.addEventListener('abort', end, { once: true });
  if (!finishesAlone) reply.whenGone(() => call.cancel(clientClosed()));
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
    reply.whenGone(undefined);
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

/** Something in our own code broke, which has cancelled the call. */
function broken(thrown: unknown): RelayOutcome {
  return { error: toGatewayError(thrown) };
}

async function relay(
  call: OutgoingCall<InferenceHead>,
  inference: InferenceRequest,
  delivered: Delivered,
  context: AttemptContext,
): Promise<RelayOutcome> {
  using whole = new WholeAnswer(context.byteBudget.answerShare());
  const relay = new Relay(call, inference, delivered, whole, context);
  await call.deliver(relay);
  return relay.outcome ?? broken(new Error('the answer has no end'));
}

/** Passes the frames of one call on to the client. */
class Relay implements FrameConsumer<InferenceHead> {
  outcome: RelayOutcome | undefined;
  readonly #call: OutgoingCall<InferenceHead>;
  readonly #inference: InferenceRequest;
  readonly #delivered: Delivered;
  readonly #whole: WholeAnswer;
  readonly #reply: ClientReply;
  readonly #record: RequestRecord;
  #head: InferenceHead | undefined;
  /** Clients hang up as soon as they read the final event, so it waits until the attempt is recorded. */
  #final: Uint8Array = NO_BYTES;

  constructor(
    call: OutgoingCall<InferenceHead>,
    inference: InferenceRequest,
    delivered: Delivered,
    whole: WholeAnswer,
    { reply, record }: AttemptContext,
  ) {
    this.#call = call;
    this.#inference = inference;
    this.#delivered = delivered;
    this.#whole = whole;
    this.#reply = reply;
    this.#record = record;
  }

  take(frame: ReplyFrame<InferenceHead>): Promise<void> | undefined {
    switch (frame.type) {
      case 'accepted':
        return undefined;
      case 'head':
        this.#head = frame.head;
        if (this.#inference.stream) beginStream(frame.head, this.#reply, this.#record);
        return undefined;
      case 'data':
        return this.#takeData(frame.bytes);
      case 'error':
        // The worker's word for a call that we cancelled says nothing of why.
        this.outcome = { ...frame, ...this.#whole.refusal };
        return undefined;
      case 'end':
        this.outcome = this.#takeEnd(frame.event);
        return undefined;
    }
  }

  #takeData(bytes: Uint8Array): Promise<void> | undefined {
    this.#delivered.textBytes += answerTextBytes(this.#inference.dialect, bytes);
    if (this.#reply.isGone) {
      // Taken, so that the worker may go on, and dropped.
      this.#whole.drop();
      return undefined;
    }
    if (this.#inference.stream) {
      const all = this.#final.length === 0 ? bytes : Buffer.concat([this.#final, bytes]);
      const start = finalEventStart(all);
      this.#final = all.subarray(start);
      return this.#reply.write(all.subarray(0, start));
    }
    this.#whole.add(bytes);
    if (this.#whole.refusal) this.#call.cancel(this.#whole.refusal.error);
    return undefined;
  }

  #takeEnd(event: AttemptedEvent): RelayOutcome {
    if (this.#whole.refusal) return { ...this.#whole.refusal, event };
    this.#record.attempted(event);
    if (this.#inference.stream) this.#reply.end(this.#final);
    else if (this.#head) {
      sendWhole(this.#head, this.#whole.bytes(), this.#reply, this.#record);
      this.#whole.heldUntil(this.#reply.settled());
    }
    return {};
  }
}

function beginStream(head: InferenceHead, reply: ClientReply, record: RequestRecord): void {
  record.answeredBy(head.provider, head.model);
  // The attempt that streams is counted when it ends; its client hears of it now.
  reply.begin(head.contentType, record.headers(record.attempts + 1));
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
