/**
 * The worker's half of a call, free of any transport.
 *
 *     offered ──accept()──▶ accepted ──head()──▶ streaming ──end(), fail()──▶ closed
 *        └───────fail()────────┴────────fail()───────────────────────────────▲
 *
 * - The signal aborts once, for the first of: cancel, caller gone, deadline, bus lost. It takes
 *   nothing from the handler's duty to end the call, since only the handler knows what was spent.
 * - Data needs credit: the opening window, and what the caller grants as its consumer reads.
 * - The event is published with the caller as the place of its acknowledgement. When the caller is
 *   gone, gave the call up, or the bus was lost, nobody would hear that, so this side records it, for
 *   as long as neither JetStream nor the spool takes it. Such a call keeps its place in the server.
 * - Exactly one terminal frame leaves: `end` and `fail` on a closed call do nothing.
 */
import {
  type AttemptedEvent,
  errorFromWire,
  FRAME_PAYLOAD_BYTES_MAX,
  type FrameType,
  GatewayError,
} from '@gateway/protocol';
import type { IncomingCall } from '../bus.ts';
import type { CallFrame, FrameContents } from './call-frames.ts';
import type { CallOpening, ControlMessage } from './call-messages.ts';
import type { Clock, Timer } from './clock.ts';

/** How often an event that no caller answers for is tried again. */
export const ORPHANED_EVENT_RETRY_MS = 500;

/** What the machine asks of its transport. */
export interface IncomingCallPort {
  /**
   * To the caller, in order, at the end of this turn of the event loop at the latest. Throws when a
   * terminal frame is too large.
   */
  sendFrame(frame: CallFrame): void;
  /**
   * Adds to the data frame that was sent last. False when that is under way already, was no data, or
   * has no room.
   */
  extendData(bytes: Uint8Array): boolean;
  /**
   * Publishes durably; the acknowledgement goes to the caller. `json`: of the event. `sequence` is of
   * the last frame. Gives what that frame says of the publish, where the acknowledgement does not name
   * the call.
   */
  publishForCaller(event: AttemptedEvent, json: string, sequence: number): string | undefined;
  /**
   * Resolves once the event is stored or spooled; rejects with `audit_unavailable` while neither can be,
   * and with another code where neither ever will be.
   */
  record(event: AttemptedEvent): Promise<void>;
  /** The request's body. Rejects when the signal aborts, which is made for a body that has to come. */
  body(signal: () => AbortSignal): Promise<Uint8Array>;
  /**
   * Called once, after the terminal frame: control messages for the call come too late from now on.
   */
  closed(): void;
}

export interface IncomingCallSetup<Request> {
  readonly opening: CallOpening;
  readonly request: Request;
  /** Instance of this worker. */
  readonly worker: string;
  readonly clock: Clock;
  readonly port: IncomingCallPort;
}

interface WaitingData {
  readonly bytes: Uint8Array;
  sentBytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

function misuse(detail: string): GatewayError {
  return new GatewayError('internal', 'The gateway failed to handle this request.', { detail });
}

const DONE = Promise.resolve();

export class IncomingCallMachine<Request, Head> implements IncomingCall<Request, Head>, Timer {
  dueAtMs = 0;
  duePlace = -1;
  readonly request: Request;
  readonly requestId: string;
  readonly attempt: number;
  readonly deadlineAt: number;
  readonly #setup: IncomingCallSetup<Request>;
  /** Made when somebody asks for the signal. */
  #abort: AbortController | undefined;
  #stopReason: GatewayError | undefined;
  #stopListener: ((reason: GatewayError) => void) | undefined;
  readonly #waiting: WaitingData[] = [];
  #phase: 'offered' | 'accepted' | 'streaming' | 'closed' = 'offered';
  #sequence = 0;
  #creditBytes: number;
  #dataLost = false;
  /** Nobody receives frames or the acknowledgement any more. */
  #orphaned = false;

  constructor(setup: IncomingCallSetup<Request>) {
    this.#setup = setup;
    this.request = setup.request;
    this.requestId = setup.opening.requestId;
    this.attempt = setup.opening.attempt;
    this.deadlineAt = setup.opening.deadlineAt;
    this.#creditBytes = setup.opening.windowBytes;
    const { clock } = setup;
    clock.start(this, Math.max(0, this.deadlineAt - clock.now()));
  }

  /** The clock's, at the deadline. */
  due(): void {
    this.#setup.clock.stop(this);
    this.#stop(new GatewayError('deadline_exceeded', 'The request took too long.'));
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#stopReason !== undefined) this.#abort.abort(this.#stopReason);
    }
    return this.#abort.signal;
  }

  onStop(listener: (reason: GatewayError) => void): void {
    this.#stopListener = listener;
    if (this.#stopReason !== undefined) listener(this.#stopReason);
  }

  /** Of the next frame. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Why the signal has aborted, or would have. */
  get stopReason(): GatewayError | undefined {
    return this.#stopReason;
  }

  get isClosed(): boolean {
    return this.#phase === 'closed';
  }

  body(): Promise<Uint8Array> {
    if (this.#stopReason !== undefined) return Promise.reject(this.#stopReason);
    return this.#setup.port.body(() => this.signal);
  }

  accept(): void {
    if (this.#stopReason !== undefined) throw this.#stopReason;
    if (this.#phase !== 'offered') throw misuse(`accept() in phase ${this.#phase}`);
    if (this.#setup.clock.now() >= this.#setup.opening.acceptBy) {
      throw new GatewayError('deadline_exceeded', 'The request was delivered too late.');
    }
    this.#phase = 'accepted';
    this.#send('accepted', this.#setup.worker);
  }

  head(head: Head): void {
    if (this.#phase !== 'accepted') throw misuse(`head() in phase ${this.#phase}`);
    this.#phase = 'streaming';
    this.#send('head', head);
  }

  data(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#phase !== 'streaming') {
      return Promise.reject(misuse(`data() in phase ${this.#phase}`));
    }
    if (this.#stopReason !== undefined) {
      this.#dataLost = true;
      return Promise.reject(this.#stopReason);
    }
    const fits = this.#creditBytes > bytes.length && bytes.length <= FRAME_PAYLOAD_BYTES_MAX;
    if (fits && this.#waiting.length === 0) {
      this.#creditBytes -= bytes.length;
      if (bytes.length > 0) this.#sendData(bytes);
      return undefined;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ bytes, sentBytes: 0, resolve, reject });
    this.#sendWaiting();
    return promise;
  }

  end(event: AttemptedEvent): Promise<void> {
    return this.#waiting.length > 0 ? this.#endBehindData(event) : this.#end(event);
  }

  fail(error: GatewayError, event?: AttemptedEvent): Promise<void> {
    return this.#phase === 'closed' ? DONE : this.#terminate(error, event);
  }

  /** A control message of the caller. */
  control(message: ControlMessage): void {
    if (message.type === 'cancel') {
      this.#orphaned ||= message.abandoned;
      this.#stop(errorFromWire(message.reason));
      return;
    }
    this.#creditBytes += message.bytes;
    this.#sendWaiting();
  }

  /** A frame found nobody. */
  callerGone(): void {
    this.#orphaned = true;
    this.#stop(new GatewayError('client_closed', 'The caller of this request is gone.'));
  }

  /** The connection broke: the caller breaks the call too. */
  busLost(): void {
    this.#orphaned = true;
    this.#stop(new GatewayError('bus_unavailable', 'The message bus was interrupted.'));
  }

  #stop(reason: GatewayError): void {
    if (this.#phase === 'closed' || this.#stopReason !== undefined) return;
    this.#stopReason = reason;
    this.#setup.clock.stop(this);
    this.#dropWaiting(reason);
    this.#abort?.abort(reason);
    this.#stopListener?.(reason);
  }

  /**
   * Sends what credit allows. A call to `data` is done when all of it is sent and credit is left.
   */
  #sendWaiting(): void {
    for (;;) {
      const first = this.#waiting[0];
      if (first === undefined) return;
      while (this.#creditBytes > 0 && first.sentBytes < first.bytes.length) {
        const size = Math.min(
          this.#creditBytes,
          FRAME_PAYLOAD_BYTES_MAX,
          first.bytes.length - first.sentBytes,
        );
        this.#sendData(first.bytes.subarray(first.sentBytes, first.sentBytes + size));
        first.sentBytes += size;
        this.#creditBytes -= size;
      }
      if (this.#creditBytes <= 0) return;
      this.#waiting.shift();
      first.resolve();
    }
  }

  /** Until the first of the data that waits is sent or dropped. */
  #dataDone(): Promise<void> {
    const first = this.#waiting[0];
    if (first === undefined) return Promise.resolve();
    // Sent completely, it waits only for credit that an end has no use for.
    if (this.#waiting.length === 1 && first.sentBytes === first.bytes.length) {
      this.#waiting.shift();
      first.resolve();
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const { resolve: done, reject: dropped } = first;
      this.#waiting[0] = {
        bytes: first.bytes,
        sentBytes: first.sentBytes,
        resolve: () => [done(), resolve()],
        reject: (error) => [dropped(error), resolve()],
      };
    });
  }

  #dropWaiting(reason: GatewayError): void {
    for (const waiting of this.#waiting.splice(0)) {
      if (waiting.sentBytes < waiting.bytes.length) this.#dataLost = true;
      waiting.reject(reason);
    }
  }

  async #endBehindData(event: AttemptedEvent): Promise<void> {
    while (this.#waiting.length > 0) await this.#dataDone();
    await this.#end(event);
  }

  #end(event: AttemptedEvent): Promise<void> {
    if (this.#dataLost) return this.fail(this.#stopReason ?? misuse('data was not sent'), event);
    if (this.#phase === 'closed') return DONE;
    if (this.#phase !== 'streaming') return Promise.reject(misuse(`end() in phase ${this.#phase}`));
    return this.#terminate(undefined, event);
  }

  /** Without an error it is the end. */
  async #terminate(
    error: GatewayError | undefined,
    event: AttemptedEvent | undefined,
  ): Promise<void> {
    const { clock, port } = this.#setup;
    this.#phase = 'closed';
    clock.stop(this);
    if (this.#waiting.length > 0) {
      this.#dropWaiting(misuse('the call was ended before its data was sent'));
    }
    let isWithCaller = false;
    try {
      let pack: string | undefined;
      let json = '';
      if (event !== undefined && !this.#orphaned) {
        json = JSON.stringify(event);
        pack = port.publishForCaller(event, json, this.#sequence);
        isWithCaller = true;
      }
      if (error !== undefined) this.#send('error', { error, event, pack });
      else if (event !== undefined) this.#send('end', { event, pack, json });
    } catch (thrown) {
      // The event is too large for a message: the caller must still hear an end.
      const detail = `the terminal frame was not sent: ${String(thrown)}`;
      this.#send('error', { error: misuse(detail) });
    } finally {
      port.closed();
    }
    if (event !== undefined && !isWithCaller) await this.#recordOrphaned(event);
  }

  async #recordOrphaned(event: AttemptedEvent): Promise<void> {
    const { clock, port } = this.#setup;
    for (;;) {
      try {
        return await port.record(event);
      } catch (error) {
        if (!(error instanceof GatewayError && error.code === 'audit_unavailable')) throw error;
      }
      await new Promise<void>((resolve) => clock.after(ORPHANED_EVENT_RETRY_MS, resolve));
    }
  }

  #sendData(bytes: Uint8Array): void {
    if (!this.#setup.port.extendData(bytes)) this.#send('data', bytes);
  }

  #send<Type extends FrameType>(type: Type, content: FrameContents<Head>[Type]): void {
    const sequence = this.#sequence;
    this.#sequence += 1;
    if (this.#orphaned) return;
    try {
      this.#setup.port.sendFrame({ type, attempt: this.attempt, sequence, content } as CallFrame);
    } catch (error) {
      this.#sequence = sequence;
      throw error;
    }
  }
}
