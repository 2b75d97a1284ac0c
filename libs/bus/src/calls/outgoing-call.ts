/**
 * The caller's half of a call, free of any transport.
 *
 *     sent ──accepted──▶ accepted ──head──▶ streaming ──end, error──▶ settling ──durable──▶ closed
 *       └─────────error───────┴──────────────error──────────────────────▲
 *
 * - `sent`: until ACCEPT_TIMEOUT_MS. No responders, silence or the deadline close the call.
 * - `accepted`, `streaming`: the worker owns the call. Its loss, the bus's, or a frame that does
 *   not fit (gap, wrong order, more than the window) closes the call with an error that is made
 *   here, and the worker is told that nobody listens. A cancel or the deadline asks the worker to
 *   stop and waits CANCEL_TIMEOUT_MS for its terminal frame, which says what was spent.
 * - `settling`: the terminal frame is here and its event is not yet known to be durable. The worker
 *   published it with this side as the place of the acknowledgement. Without one in
 *   EVENT_ACKNOWLEDGE_TIMEOUT_MS, or when it is a refusal, this side records the event itself, which
 *   ends the call as cleanly, stored or spooled; when that fails it ends as `audit_unavailable`.
 * - `closed`: exactly one terminal frame has been queued for the consumer. Nothing follows it.
 *
 * The window goes back to the pool when the call is closed and the consumer has taken the terminal
 * frame or given up, so bytes that wait for a slow consumer stay counted.
 */
import {
  type AttemptedEvent,
  type Check,
  type ErrorCode,
  errorToWire,
  type Frame,
  GatewayError,
} from '@gateway/protocol';
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import {
  ACCEPT_TIMEOUT_MS,
  CANCEL_TIMEOUT_MS,
  EVENT_ACKNOWLEDGE_TIMEOUT_MS,
  type FrameConsumer,
  type OutgoingCall,
  type ReplyFrame,
} from '../bus.ts';
import { type CallFrame, decodeFrame } from './call-frames.ts';
import type { ControlMessage } from './call-messages.ts';
import type { Clock, Timer } from './clock.ts';
import { type DeliveryOwner, FrameDelivery } from './frame-delivery.ts';
import { FrameIterator } from './frame-iterator.ts';
import type { WindowPool } from './window-pool.ts';

/** What the machine asks of its transport. */
export interface OutgoingCallPort {
  /** To the worker that accepted; may be lost. */
  sendControl(worker: string, message: ControlMessage): void;
  /** Resolves once the event is stored or spooled; rejects when neither can be. */
  record(event: AttemptedEvent): Promise<void>;
  /** `acknowledged` is to be called for what the worker published under this key, now or later. */
  awaitPack(pack: string): void;
  /** From here to `closed` the worker's death must be reported by `workerLost()`. */
  accepted(worker: string): void;
  /** Called once. Frames of the call are late from now on, and its body is no longer needed. */
  closed(): void;
}

export interface OutgoingCallSetup<Head> {
  readonly head: Check<Head>;
  readonly requestId: string;
  readonly attempt: number;
  readonly deadlineAt: number;
  /** ACCEPT_TIMEOUT_MS by default. */
  readonly acceptTimeoutMs?: number;
  /** Opened from the pool by the transport, which puts it into the request. */
  readonly windowBytes: number;
  readonly windows: WindowPool;
  readonly clock: Clock;
  readonly port: OutgoingCallPort;
}

type Terminal<Head> = Extract<ReplyFrame<Head>, { type: 'end' | 'error' }>;

export class OutgoingCallMachine<Head>
  implements OutgoingCall<Head>, DeliveryOwner<ReplyFrame<Head>>, Timer
{
  dueAtMs = 0;
  duePlace = -1;
  readonly #setup: OutgoingCallSetup<Head>;
  readonly #delivery: FrameDelivery<Head> = new FrameDelivery(this);
  #iterator: FrameIterator<Head> | undefined;
  #phase: 'sent' | 'accepted' | 'streaming' | 'settling' | 'closed' = 'sent';
  #worker: string | undefined;
  #nextSequence = 0;
  #windowBytes: number;
  /** What the worker may still send. */
  #creditBytes: number;
  /** What the consumer has read since the last grant. */
  #consumedBytes = 0;
  #cancelReason: GatewayError | undefined;
  #acknowledgement: 'none' | 'stored' | 'refused' = 'none';
  #terminal: (Terminal<Head> & { event: AttemptedEvent }) | undefined;
  #consumerDone = false;
  #recording = false;
  /** What it waits for until the timer is due; `end` of a call that was cancelled. */
  #awaits: 'accepted' | 'deadline' | 'end' | 'stored' = 'accepted';

  constructor(setup: OutgoingCallSetup<Head>) {
    this.#setup = setup;
    this.#windowBytes = setup.windowBytes;
    this.#creditBytes = setup.windowBytes;
    const { acceptTimeoutMs = ACCEPT_TIMEOUT_MS } = setup;
    const leftMs = this.#leftMs();
    if (leftMs < acceptTimeoutMs) this.#await('deadline', leftMs);
    else this.#await('accepted', acceptTimeoutMs);
  }

  get worker(): string | undefined {
    return this.#worker;
  }

  [Symbol.asyncIterator](): AsyncIterator<ReplyFrame<Head>> {
    this.#iterator ??= new FrameIterator(this.#delivery);
    return this.#iterator;
  }

  deliver(consumer: FrameConsumer<Head>): Promise<void> {
    const active = context.active();
    if (active === ROOT_CONTEXT) return this.#delivery.start(consumer);
    return this.#delivery.start({
      take: (frame) => context.with(active, () => consumer.take(frame)),
    });
  }

  cancel(reason: GatewayError): void {
    if (this.#isDone() || this.#cancelReason !== undefined) return;
    this.#cancelReason = reason;
    // Before `accepted` there is nobody to tell; the accept timer bounds the wait.
    if (this.#worker !== undefined) this.#tellCancel(reason);
  }

  /** The clock's. */
  due(): void {
    this.#setup.clock.stop(this);
    switch (this.#awaits) {
      case 'accepted':
        this.#close('worker_lost', 'No worker took the request in time.');
        return;
      case 'deadline':
        this.#deadline();
        return;
      case 'end':
        if (this.#cancelReason) this.#close(this.#cancelReason.code, this.#cancelReason.message);
        return;
      case 'stored':
        if (this.#terminal !== undefined) void this.#record(this.#terminal);
        return;
    }
  }

  /** A frame that came over a wire. The payload of data is kept: hand over bytes that stay. */
  receive(frame: Frame): void {
    if (!this.#expects(frame)) return;
    try {
      this.#take(decodeFrame(frame, this.#setup.head));
    } catch (error) {
      this.#unreadable(frame, error);
    }
  }

  /** A frame of a worker in the same process, whose content is kept. */
  take(frame: CallFrame<Head>): void {
    if (!this.#expects(frame)) return;
    try {
      this.#take(frame);
    } catch (error) {
      this.#unreadable(frame, error);
    }
  }

  /** The acknowledgement, or the refusal, of the worker's publish of the event. */
  acknowledged(stored: boolean): void {
    if (this.#phase === 'closed') return;
    this.#acknowledgement = stored ? 'stored' : 'refused';
    if (this.#phase === 'settling') this.#settle();
  }

  /** Nobody serves the endpoint. */
  noResponders(): void {
    if (this.#phase !== 'sent') return;
    this.#close('no_responders', 'No worker serves this provider.');
  }

  workerLost(): void {
    if (this.#isDone()) return;
    this.#close('worker_lost', 'The worker of this request was lost.');
  }

  /** The connection broke: frames may be missing, so the call cannot go on. */
  busLost(): void {
    if (this.#isDone()) return;
    const code = this.#phase === 'streaming' ? 'stream_interrupted' : 'bus_unavailable';
    this.#close(code, 'The message bus was interrupted.');
  }

  #isDone(): boolean {
    return this.#phase === 'settling' || this.#phase === 'closed';
  }

  /** Whether it is the next frame of this attempt; one that is missing breaks the call. */
  #expects({ attempt, sequence }: Pick<Frame, 'attempt' | 'sequence'>): boolean {
    if (this.#isDone() || attempt !== this.#setup.attempt) return false;
    if (sequence === this.#nextSequence) {
      this.#nextSequence += 1;
      return true;
    }
    const detail = `frame ${sequence} came instead of ${this.#nextSequence}`;
    this.#close('stream_interrupted', 'A part of the answer was lost.', detail);
    return false;
  }

  #unreadable({ type }: Pick<Frame, 'type'>, error: unknown): void {
    const detail = `unreadable ${type} frame: ${String(error)}`;
    this.#close('stream_interrupted', 'A part of the answer was not readable.', detail);
  }

  #take(frame: CallFrame<Head>): void {
    switch (frame.type) {
      case 'accepted':
        this.#expectPhase('sent', frame);
        this.#takeAccepted(frame.content);
        return;
      case 'head':
        this.#expectPhase('accepted', frame);
        this.#takeHead(frame.content);
        return;
      case 'data':
        this.#expectPhase('streaming', frame);
        this.#takeData(frame.content);
        return;
      case 'end': {
        this.#expectPhase('streaming', frame);
        const { event, pack } = frame.content;
        this.#takeTerminal({ type: 'end', event }, pack);
        return;
      }
      case 'error': {
        const { error, event, pack } = frame.content;
        this.#takeTerminal({ type: 'error', error, ...(event !== undefined && { event }) }, pack);
        return;
      }
    }
  }

  #expectPhase(phase: string, { type }: Pick<Frame, 'type'>): void {
    if (this.#phase !== phase) throw new Error(`${type} in phase ${this.#phase}`);
  }

  #takeAccepted(worker: string): void {
    this.#phase = 'accepted';
    this.#worker = worker;
    this.#await('deadline', this.#leftMs());
    this.#setup.port.accepted(worker);
    if (this.#cancelReason !== undefined) this.#tellCancel(this.#cancelReason);
    // The consumer runs in here, and may cancel.
    this.#delivery.push({ type: 'accepted', worker });
  }

  #takeHead(head: Head): void {
    this.#phase = 'streaming';
    this.#delivery.push({ type: 'head', head });
  }

  #takeData(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.#consumerDone) return;
    this.#creditBytes -= bytes.length;
    if (this.#creditBytes < 0) throw new Error('more than the window');
    this.#delivery.push({ type: 'data', bytes });
  }

  #takeTerminal(terminal: Terminal<Head>, pack: string | undefined): void {
    const { event } = terminal;
    if (event === undefined) {
      this.#finish(terminal);
      return;
    }
    // What was heard of it already is taken into account below.
    if (pack !== undefined) this.#setup.port.awaitPack(pack);
    this.#phase = 'settling';
    this.#terminal = { ...terminal, event };
    this.#settle();
  }

  #settle(): void {
    if (this.#terminal === undefined || this.#recording) return;
    if (this.#acknowledgement === 'stored') this.#finish(this.#terminal);
    else if (this.#acknowledgement === 'refused') void this.#record(this.#terminal);
    else this.#await('stored', EVENT_ACKNOWLEDGE_TIMEOUT_MS);
  }

  async #record(terminal: Terminal<Head> & { event: AttemptedEvent }): Promise<void> {
    this.#recording = true;
    this.#setup.clock.stop(this);
    try {
      await this.#setup.port.record(terminal.event);
      this.#finish(terminal);
    } catch (error) {
      const message = 'The request could not be recorded.';
      const facts = { detail: 'the attempted event is not durable', cause: error };
      this.#finish({
        type: 'error',
        error: new GatewayError('audit_unavailable', message, facts),
        event: terminal.event,
      });
    }
  }

  /** To the deadline, in milliseconds. */
  #leftMs(): number {
    return Math.max(0, this.#setup.deadlineAt - this.#setup.clock.now());
  }

  #await(what: 'accepted' | 'deadline' | 'end' | 'stored', delayMs: number): void {
    this.#awaits = what;
    this.#setup.clock.start(this, delayMs);
  }

  #deadline(): void {
    const reason = new GatewayError('deadline_exceeded', 'The request took too long.');
    if (this.#phase === 'sent') this.#close('deadline_exceeded', reason.message);
    else this.cancel(reason);
  }

  #tellCancel(reason: GatewayError): void {
    this.#sendCancel(reason, false);
    this.#await('end', CANCEL_TIMEOUT_MS);
  }

  #sendCancel(reason: GatewayError, abandoned: boolean): void {
    if (this.#worker === undefined) return;
    const { requestId, attempt, port } = this.#setup;
    const wire = errorToWire(reason);
    port.sendControl(this.#worker, { type: 'cancel', requestId, attempt, reason: wire, abandoned });
  }

  /** Ends the call with an error made here, without the worker's terminal frame. */
  #close(code: ErrorCode, message: string, detail?: string): void {
    const error =
      this.#cancelReason ?? new GatewayError(code, message, detail === undefined ? {} : { detail });
    this.#sendCancel(error, true);
    this.#finish({ type: 'error', error });
  }

  #finish(terminal: Terminal<Head>): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#setup.clock.stop(this);
    this.#setup.port.closed();
    // A consumer that is there takes the terminal frame at once, and with it gives the window back.
    if (this.#consumerDone) this.#setup.windows.close(this.#windowBytes);
    else this.#delivery.push(terminal);
  }

  taken(frame: ReplyFrame<Head>): void {
    if (frame.type === 'data') this.#grant(frame.bytes.length);
    else if (frame.type === 'end' || frame.type === 'error') this.#releaseConsumer();
  }

  abandoned(): void {
    this.#releaseConsumer();
    if (this.#isDone()) return;
    this.cancel(new GatewayError('client_closed', 'The client closed the request.'));
  }

  #grant(bytes: number): void {
    this.#consumedBytes += bytes;
    if (this.#phase !== 'streaming' || this.#worker === undefined) return;
    // In halves, so that a grant is worth its message.
    if (this.#consumedBytes < this.#windowBytes / 2) return;
    const { requestId, attempt, port, windows } = this.#setup;
    const windowBytes = windows.resize(this.#windowBytes);
    const granted = this.#consumedBytes + windowBytes - this.#windowBytes;
    this.#windowBytes = windowBytes;
    this.#consumedBytes = 0;
    // A window that was halved may have been read for nothing more.
    if (granted <= 0) return;
    this.#creditBytes += granted;
    port.sendControl(this.#worker, { type: 'credit', requestId, attempt, bytes: granted });
  }

  #releaseConsumer(): void {
    if (this.#consumerDone) return;
    this.#consumerDone = true;
    if (this.#phase === 'closed') this.#setup.windows.close(this.#windowBytes);
  }
}
