/** One attempt: the call to a worker, relayed to the client frame by frame. */
import type { Bus, FrameConsumer, OutgoingCall, ReplyFrame } from '@gateway/bus';
import { answerTextBytes, estimateTokens } from '@gateway/dialects';
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
import type { ByteBudget } from './byte-budget.ts';
import { type ClientReply, clientClosed } from './client-reply.ts';
import { finalEventStart } from './final-event.ts';
import type { Ledger } from './ledger.ts';
import type { Prompt } from './prompt.ts';
import type { RequestRecord } from './request-record.ts';
import type { RunningCalls } from './running-calls.ts';
import { WholeAnswer } from './whole-answer.ts';

const NO_BYTES = new Uint8Array();
const NO_END: RelayOutcome = { error: new GatewayError('internal', 'The answer has no end.') };

export interface AttemptContext {
  readonly prompt: Prompt;
  /** Whether the attempt goes on when the client has left. */
  readonly finishesAlone: boolean;
  readonly reply: ClientReply;
  readonly record: RequestRecord;
  readonly deadlineAt: number;
  readonly bus: Bus;
  readonly ledger: Ledger;
  /** What answers that are collected whole may take. */
  readonly byteBudget: ByteBudget;
  readonly calls: RunningCalls;
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
  const { prompt, reply, record, deadlineAt, bus, calls, finishesAlone } = context;
  const startedAt = Date.now();
  let call: OutgoingCall<InferenceHead>;
  try {
    call = bus.call(
      inferenceEndpoint(inference.target.provider),
      { value: inference, body: prompt.body },
      { requestId: inference.requestId, attempt, deadlineAt },
    );
  } catch (error) {
    return { error: toGatewayError(error), called: false, isFinal: false };
  }
  const place = calls.add(call);
  if (!finishesAlone) reply.whenGone(() => call.cancel(clientClosed()));
  using whole = new WholeAnswer(context.byteBudget.answerShare());
  const relay = new Relay(call, inference, whole, context);
  try {
    await call.deliver(relay).catch(relay.broke);
    const { error, event, isFinal = false } = relay.outcome;
    if (event) {
      record.attempted(event);
      // Neither JetStream nor the spool had room for it.
      if (error?.code === 'audit_unavailable') context.ledger.recordLater(event);
    } else if (error && call.worker !== undefined && !record.knowsAttempt(attempt)) {
      const { textBytes } = relay;
      const lost = lostAttempt(inference, { attempt, startedAt, error, textBytes }, context);
      record.attempted(lost);
      await context.ledger.record(lost).catch(() => context.ledger.recordLater(lost));
    }
    return error && { error, called: record.knowsAttempt(attempt), isFinal };
  } finally {
    calls.delete(place, call);
    reply.whenGone(undefined);
  }
}

interface RelayOutcome {
  readonly error?: GatewayError;
  readonly event?: AttemptedEvent;
  readonly isFinal?: boolean;
}

/** Passes the frames of one call on to the client. */
class Relay implements FrameConsumer<InferenceHead> {
  outcome: RelayOutcome = NO_END;
  readonly #call: OutgoingCall<InferenceHead>;
  readonly #inference: InferenceRequest;
  readonly #whole: WholeAnswer;
  readonly #reply: ClientReply;
  readonly #record: RequestRecord;
  readonly #prompt: Prompt;
  #head: InferenceHead | undefined;
  /** Of what was not collected. */
  #textBytes = 0;
  /** Clients hang up as soon as they read the final event, so it waits until the attempt is recorded. */
  #final: Uint8Array = NO_BYTES;

  constructor(
    call: OutgoingCall<InferenceHead>,
    inference: InferenceRequest,
    whole: WholeAnswer,
    { reply, record, prompt }: AttemptContext,
  ) {
    this.#call = call;
    this.#inference = inference;
    this.#whole = whole;
    this.#reply = reply;
    this.#record = record;
    this.#prompt = prompt;
  }

  /** How much of the model's text came. */
  get textBytes(): number {
    const count = (sum: number, piece: Uint8Array) => sum + this.#textBytesOf(piece);
    return this.#whole.pieces.reduce(count, this.#textBytes);
  }

  /** Something in our own code broke, which has cancelled the call. */
  readonly broke = (thrown: unknown) => {
    this.outcome = { error: toGatewayError(thrown) };
  };

  take(frame: ReplyFrame<InferenceHead>): Promise<void> | undefined {
    switch (frame.type) {
      case 'accepted':
        return undefined;
      case 'head':
        this.#head = frame.head;
        if (this.#inference.stream) {
          beginStream(frame.head, this.#reply, this.#record);
          // No other attempt follows.
          this.#prompt.release();
        }
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
    if (this.#inference.stream) {
      this.#textBytes += this.#textBytesOf(bytes);
      if (this.#reply.isGone) return undefined;
      const all = this.#final.length === 0 ? bytes : Buffer.concat([this.#final, bytes]);
      const start = finalEventStart(all);
      this.#final = all.subarray(start);
      return this.#reply.write(all.subarray(0, start));
    }
    if (!this.#reply.isGone) this.#whole.add(bytes);
    const { refusal } = this.#whole;
    // What nobody gets is taken, so that the worker may go on, and dropped.
    if (this.#reply.isGone || refusal) this.#drop(bytes);
    if (refusal) this.#call.cancel(refusal.error);
    return undefined;
  }

  /** Counts the text of what was collected, and of these bytes that were not. */
  #drop(bytes: Uint8Array): void {
    this.#textBytes = this.textBytes + this.#textBytesOf(bytes);
    this.#whole.drop();
  }

  #textBytesOf(bytes: Uint8Array): number {
    return answerTextBytes(this.#inference.dialect, bytes);
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

interface LostAttempt {
  readonly attempt: number;
  readonly startedAt: number;
  readonly error: GatewayError;
  readonly textBytes: number;
}

/**
 * What is assumed of a worker that took the call and was lost: that it has called the provider, which
 * has read the prompt and written what was delivered. If the worker still tells the truth, that
 * replaces it.
 */
function lostAttempt(
  { requestId, tenant, target }: InferenceRequest,
  { attempt, startedAt, error, textBytes }: LostAttempt,
  { prompt }: AttemptContext,
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
      inputTokens: prompt.tokens,
      outputTokens: estimateTokens(textBytes),
    },
    usageSource: 'estimated',
    latencyMs: Date.now() - startedAt,
    assumed: true,
  };
}
