/**
 * What services see of the bus. Two implementations keep this contract, `nats/` and `in-process/`,
 * and one suite checks both (`tests/contract`).
 *
 * Four ways to talk:
 *
 * - request / respond: one request, one reply, through a queue group.
 * - call / serve: one request, a stream of frames for a reply, with credit, cancel and liveness.
 * - publish / consume: durable events, acknowledged on both sides.
 * - bucket: control data that every service watches.
 *
 * Trace context travels with each of them: what is active at the sender is the parent of the span
 * that the receiver's handler runs in.
 */
import type {
  AttemptedEvent,
  BucketName,
  ConsumerDefinition,
  Endpoint,
  GatewayError,
  GatewayEvent,
  Identity,
  OneWayEndpoint,
  StreamEndpoint,
} from '@gateway/protocol';

/**
 * A value that its endpoint's schema takes, and bytes that the bus only carries. Both may be shared with
 * the other side, so neither is changed once it is handed over.
 */
export interface Message<Value> {
  readonly value: Value;
  /**
   * At most `MESSAGE_BYTES_MAX` with the value, except for the request of a call, which has no
   * limit here.
   */
  readonly body?: Uint8Array;
}

/** Something that takes work. Draining takes no more and resolves when what was taken is done. */
export interface Subscription extends AsyncDisposable {
  drain(): Promise<void>;
}

export interface RequestOptions {
  /** Until `deadline_exceeded`. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export type RequestHandler<Request, Reply> = (message: Message<Request>) => Promise<Message<Reply>>;

export interface RespondOptions {
  /**
   * Requests handled at once; further ones wait in a queue of the same length, then are
   * `overloaded`.
   */
  readonly concurrencyMax: number;
}

export interface CallOptions {
  readonly requestId: string;
  /** From 1; frames of another attempt are ignored. */
  readonly attempt: number;
  /** Milliseconds since 1970. After it the call fails as `deadline_exceeded` on both sides. */
  readonly deadlineAt: number;
}

/**
 * What a caller receives, in order: `accepted`, `head`, any number of `data`, and always exactly
 * one terminal frame, after which nothing comes. Whatever goes wrong is an `error` frame, so a
 * stream never just stops:
 *
 * - `no_responders`: nobody serves the endpoint.
 * - `overloaded`: every server of the group is full.
 * - `worker_lost`: nobody accepted in `ACCEPT_TIMEOUT_MS`, or the worker died or hangs.
 * - `bus_unavailable`: the connection broke before the head; `stream_interrupted`: it broke after
 *   it, or a frame is missing or unreadable.
 * - `deadline_exceeded`: the deadline passed. An accepted worker has `CANCEL_TIMEOUT_MS` more to
 *   say what was spent.
 * - `audit_unavailable`: the event could not be made durable, neither stored nor spooled.
 */
export type ReplyFrame<Head> =
  | { readonly type: 'accepted'; readonly worker: string }
  | { readonly type: 'head'; readonly head: Head }
  | { readonly type: 'data'; readonly bytes: Uint8Array }
  /**
   * Seen only once the event is durable: acknowledged to the worker's publish, or recorded here.
   */
  | { readonly type: 'end'; readonly event: AttemptedEvent }
  /**
   * `event` is there when the worker got as far as calling the provider and said so. It is durable,
   * except with `audit_unavailable`: then it is the caller's to record.
   */
  | { readonly type: 'error'; readonly error: GatewayError; readonly event?: AttemptedEvent };

/** Takes the frames of one call. */
export interface FrameConsumer<Head> {
  /**
   * A promise holds the next frame back, and the worker's credit for this one, until it resolves. What is
   * thrown, here or by the promise, cancels the call as `client_closed`.
   */
  take(frame: ReplyFrame<Head>): Promise<void> | undefined;
}

/**
 * Its frames are delivered, or iterated over, once: to the terminal frame, or until the consumer throws
 * or the iterator's `return()`, which cancels as `client_closed`. Until then the call keeps its window.
 */
export interface OutgoingCall<Head> extends AsyncIterable<ReplyFrame<Head>> {
  /** The worker that accepted. */
  readonly worker: string | undefined;
  /**
   * Tells the worker to stop. Frames go on to the terminal one (`error` with the reason, and the
   * event of what was spent), which comes within `CANCEL_TIMEOUT_MS` or is made here.
   */
  cancel(reason: GatewayError): void;
  /**
   * Hands frames over as they come, all that came in one message in one go, in the trace that is active
   * here. Resolves when the terminal frame is taken; rejects with what the consumer throws.
   */
  deliver(consumer: FrameConsumer<Head>): Promise<void>;
}

/**
 * One call as the worker sees it. The handler ends it by exactly one of `end` and `fail`, also
 * after the signal has aborted; on a call that is ended both do nothing.
 */
export interface IncomingCall<Request, Head> {
  readonly request: Request;
  readonly requestId: string;
  readonly attempt: number;
  readonly deadlineAt: number;
  /**
   * Aborts, with a GatewayError as its reason, when the caller cancels or is gone
   * (`client_closed`), when the deadline passes (`deadline_exceeded`) or when the bus is lost
   * (`bus_unavailable`).
   */
  readonly signal: AbortSignal;
  /**
   * Calls `listener` when the signal aborts, or at once when it has, without the cost of a signal. The
   * last one given is called.
   */
  onStop(listener: (reason: GatewayError) => void): void;
  /**
   * The request's body: inline up to `INLINE_BODY_BYTES_MAX`, pulled from the caller in pieces
   * above.
   */
  body(): Promise<Uint8Array>;
  /**
   * Takes the call, to be called right before money is spent. Throws `deadline_exceeded` when the
   * call came too late to be taken: the caller has turned to somebody else.
   */
  accept(): void;
  head(head: Head): void;
  /**
   * Sends bytes, cut into frames. Undefined where the caller has credit for more, else resolves when it
   * has. Rejects when `signal` aborts. The bytes are kept to the end of this turn of the event loop at
   * least, so they must not be changed.
   */
  data(bytes: Uint8Array): Promise<void> | undefined;
  /**
   * Publishes the event durably, its acknowledgement going to the caller, and closes the stream.
   * When the caller is gone the event is recorded here, again and again until it is durable.
   */
  end(event: AttemptedEvent): Promise<void>;
  /** Closes the stream with an error; with an event when the provider was called. */
  fail(error: GatewayError, event?: AttemptedEvent): Promise<void>;
}

/**
 * A handler that throws a GatewayError before it ended its call fails it with that; one that throws
 * anything else, or returns, fails it as `internal`, or with the signal's reason when it has
 * aborted.
 */
export type CallHandler<Request, Head> = (call: IncomingCall<Request, Head>) => Promise<void>;

export interface ServeOptions {
  /**
   * Calls handled at once. A full server hands a call back to the group, at most `HAND_BACK_MAX`
   * times in its life, after which the caller is told `overloaded`.
   */
  readonly concurrencyMax: number;
}

export interface PublishOptions {
  /** Until `audit_unavailable`; 2 s by default. */
  readonly timeoutMs?: number;
}

export interface RecordOptions {
  /**
   * Nobody waits for it, so that it may wait up to 10 ms to be stored with others: a write, or a message,
   * costs more than the events in it. False by default.
   */
  readonly mayWait?: boolean;
}

/** What waits on this process' disk until it is stored where consumers see it. */
export interface SpoolState {
  readonly events: number;
  readonly bytes: number;
  /**
   * Whether a request may begin: what its end will record has room. False at three quarters of the bound,
   * and while the disk fails.
   */
  readonly admits: boolean;
}

/**
 * One delivery of a durable event. Settle each by exactly one of `acknowledge`, `retry`,
 * `quarantine`.
 */
export interface Delivery {
  /**
   * The stored bytes parsed as JSON, unchecked; undefined where they are no JSON. In the process that
   * published the event it may be the event itself, whose undefined members a parse would not have.
   */
  readonly value: unknown;
  readonly bytes: Uint8Array;
  /** 1 at the first delivery. */
  readonly deliveries: number;
  /** Trace context of the publisher, as carried headers. */
  readonly headers: Readonly<Record<string, string>>;
  acknowledge(): void;
  /** Asks for another delivery after the delay. */
  retry(delayMs: number): void;
  /**
   * Moves the event to the quarantine stream, then drops it here. Resolves when it is stored there.
   */
  quarantine(reason: string): Promise<void>;
}

/**
 * Events may come again though they were settled, alone or with others that travelled with them: settling
 * one twice must change nothing.
 *
 * When it throws, what it left unsettled is retried with a growing delay of 1 to 30 s.
 */
export type BatchHandler = (batch: readonly Delivery[]) => Promise<void>;

export interface ConsumeOptions {
  /** Events in a batch. */
  readonly batchMax: number;
  /** How long a batch that is not full waits for more. */
  readonly lingerMs: number;
}

export interface Backlog {
  /**
   * Published, acknowledged to the publisher and not yet settled by the consumer: 0 where nothing is, and
   * at most one for each event. Over NATS, events that travel together count as one.
   */
  readonly pending: number;
  readonly quarantined: number;
}

export interface Entry {
  readonly value: unknown;
  readonly revision: number;
}

export interface BucketWatcher {
  /** `entry` is undefined when the key was deleted. */
  changed(key: string, entry: Entry | undefined): void;
  /** Called once, after every key of the snapshot. */
  ready(): void;
}

/** A small table of JSON values under keys of `[A-Za-z0-9_-]`, kept over restarts. */
export interface Bucket {
  get(key: string): Promise<Entry | undefined>;
  /** Resolves with the new revision once stored. */
  put(key: string, value: unknown): Promise<number>;
  delete(key: string): Promise<void>;
  /**
   * The snapshot, then changes in order. A value that is overwritten before it is delivered may be left
   * out; the last one of a key never is. Goes on over reconnects.
   */
  watch(watcher: BucketWatcher): Promise<Subscription>;
}

export interface Bus extends AsyncDisposable {
  readonly identity: Identity;
  /** Why the bus cannot be used now, or undefined when it can. */
  readonly outage: string | undefined;
  /** Why times of this machine mean something else to others, or undefined when they do not. */
  readonly clockSkew: string | undefined;
  /**
   * Throws what the responder threw, `no_responders` when nobody serves (within milliseconds),
   * `deadline_exceeded`, or `bus_unavailable`.
   */
  request<Request, Reply>(
    endpoint: Endpoint<Request, Reply>,
    message: Message<Request>,
    options: RequestOptions,
  ): Promise<Message<Reply>>;
  respond<Request, Reply>(
    endpoint: Endpoint<Request, Reply>,
    handler: RequestHandler<Request, Reply>,
    options: RespondOptions,
  ): Promise<Subscription>;
  /** Best effort: no answer, and no error when it is lost. */
  send<Value>(endpoint: OneWayEndpoint<Value>, message: Message<Value>): void;
  receive<Value>(
    endpoint: OneWayEndpoint<Value>,
    handler: (message: Message<Value>) => Promise<void>,
    options: RespondOptions,
  ): Promise<Subscription>;
  /**
   * Throws `overloaded` when all open windows together are used up, `bus_unavailable` in an outage.
   */
  call<Request, Head>(
    endpoint: StreamEndpoint<Request, Head>,
    message: Message<Request>,
    options: CallOptions,
  ): OutgoingCall<Head>;
  serve<Request, Head>(
    endpoint: StreamEndpoint<Request, Head>,
    handler: CallHandler<Request, Head>,
    options: ServeOptions,
  ): Promise<Subscription>;
  /**
   * Resolves once the event is stored. Published again, the same event is stored once, unless it
   * travelled with others: then it may be delivered twice.
   */
  publish(event: GatewayEvent, options?: PublishOptions): Promise<void>;
  /**
   * Resolves once the event will be stored whatever dies: stored already or, where that takes longer than
   * `RECORD_TIMEOUT_MS` or is refused, synced to this process' spool, from which it is stored later, by
   * this process or a successor, in order and under the same id. Inside one process the event log is the
   * only place, and there is no spool.
   *
   * Throws `audit_unavailable` when neither takes it (a full spool, a disk that fails), so that trying
   * again may help; `internal` when the event itself is refused; `bus_unavailable` once the bus is closed.
   */
  record(event: GatewayEvent, options?: RecordOptions): Promise<void>;
  readonly spool: SpoolState;
  consume(
    consumer: ConsumerDefinition,
    handler: BatchHandler,
    options: ConsumeOptions,
  ): Promise<Subscription>;
  backlog(consumer: ConsumerDefinition): Promise<Backlog>;
  bucket(name: BucketName): Promise<Bucket>;
  /** Takes no more work, finishes what was taken, sends what is buffered, then closes. */
  drain(): Promise<void>;
}

/** Until a worker has accepted a call. A body that it has to pull first adds to it. */
export const ACCEPT_TIMEOUT_MS = 1_000;
/** From a cancel to the terminal frame. */
export const CANCEL_TIMEOUT_MS = 2_000;
/**
 * From the terminal frame to the acknowledgement of its event, before the caller records it itself.
 */
export const EVENT_ACKNOWLEDGE_TIMEOUT_MS = 500;
/** Bodies up to this ride in the message. */
export const INLINE_BODY_BYTES_MAX = 64 * 1024;
/** Larger ones are pulled in pieces of this size, at most this many at once. */
export const BODY_PIECE_BYTES = 256 * 1024;
export const BODY_PIECES_IN_FLIGHT = 4;
/**
 * Bytes that a worker may send ahead of the caller: when a call opens, when its consumer has read as
 * they came, where many calls are open, and in all calls of one caller.
 */
export const CALL_WINDOW_BYTES = 32 * 1024;
export const CALL_WINDOW_BYTES_MAX = 256 * 1024;
export const CALL_WINDOW_BYTES_MIN = 2 * 1024;
export const ALL_WINDOWS_BYTES_MAX = 64 * 1024 * 1024;
/**
 * A worker with open calls is asked this often whether it lives, and lost after so many silences.
 */
export const PING_INTERVAL_MS = 1_000;
export const PINGS_MISSED_MAX = 3;
export const HAND_BACK_MAX = 3;
/** Apart from the bus' own clock, beyond which a deadline is not what it was meant to be. */
export const CLOCK_SKEW_MAX_MS = 250;
export const PUBLISH_TIMEOUT_MS = 2_000;
/** Until an event that may be spooled is. */
export const RECORD_TIMEOUT_MS = 500;
