/** The transport of a call's two halves in one process. Each is one object, without closures. */
import {
  type AttemptedEvent,
  errorFromWire,
  errorToWire,
  type GatewayError,
} from '@gateway/protocol';
import type { InFlight } from '@gateway/runtime';
import type { CallFrame } from '../calls/call-frames.ts';
import { type CallOpening, type ControlMessage, tooLate } from '../calls/call-messages.ts';
import { type Arrival, allFull } from '../calls/call-server.ts';
import type { IncomingCallMachine, IncomingCallPort } from '../calls/incoming-call.ts';
import type { OutgoingCallMachine, OutgoingCallPort } from '../calls/outgoing-call.ts';
import { FrameQueue } from './frame-queue.ts';
import type { CallerSide, CallOffer, HubState, WorkerSide } from './hub-state.ts';
import type { TurnTask } from './turn-queue.ts';

/** What all calls of a bus share. */
export interface CallParts {
  readonly hub: HubState;
  /** The bus. */
  readonly owner: object;
  /** Calls that this bus made. */
  readonly outgoing: InFlight<CallerPort>;
  /** Calls that it serves. */
  readonly served: InFlight<ServedCall>;
  /** As if the process had died, but for what still runs in it. */
  readonly isClosed: boolean;
  /** `json`: of the event. */
  record(event: AttemptedEvent, json?: string): Promise<void>;
}

/** The caller's half. */
export class CallerPort implements CallerSide, OutgoingCallPort {
  readonly #requestId: string;
  readonly #parts: CallParts;
  #machine: OutgoingCallMachine<unknown> | undefined;
  #place = -1;
  #worker: WorkerSide | undefined;

  constructor(requestId: string, parts: CallParts) {
    this.#requestId = requestId;
    this.#parts = parts;
  }

  /** Frames find the call from now on, until it is closed. */
  open(machine: OutgoingCallMachine<unknown>): void {
    this.#machine = machine;
    this.#place = this.#parts.outgoing.add(this);
  }

  /** Undefined once the call is closed. */
  get machine(): OutgoingCallMachine<unknown> | undefined {
    return this.#machine;
  }

  receive(frame: CallFrame, worker: WorkerSide): boolean {
    if (this.#parts.isClosed) return false;
    if (this.#machine !== undefined) {
      if (frame.type === 'accepted') this.#worker = worker;
      this.#machine.take(frame);
    } else if (frame.type === 'accepted') {
      this.#tell(worker, tooLate(this.#requestId, frame.attempt));
    }
    return true;
  }

  acknowledged(stored: boolean): void {
    this.#machine?.acknowledged(stored);
  }

  sendControl(_worker: string, message: ControlMessage): void {
    if (this.#worker !== undefined) this.#tell(this.#worker, message);
  }

  record(event: AttemptedEvent): Promise<void> {
    return this.#parts.record(event);
  }

  /** Nothing to wait for: what is published for a caller is acknowledged to its call. */
  awaitPack(): void {}

  accepted(): void {
    // It may have died since it sent the frame.
    if (!this.#worker?.isGone) return;
    this.#parts.hub.turns.push({ inTurn: () => this.#machine?.workerLost() });
  }

  closed(): void {
    this.#machine = undefined;
    this.#parts.outgoing.delete(this.#place, this);
  }

  #tell(worker: WorkerSide, message: ControlMessage): void {
    const { isClosed, hub } = this.#parts;
    if (!isClosed) hub.turns.push({ inTurn: () => worker.control(message) });
  }
}

/** The worker's half, from the offer on. */
export class ServedCall implements Arrival, IncomingCallPort, WorkerSide, TurnTask {
  readonly #offer: CallOffer;
  readonly #parts: CallParts;
  readonly #frames = new FrameQueue();
  #machine: IncomingCallMachine<unknown, unknown> | undefined;
  #place = -1;

  constructor(offer: CallOffer, parts: CallParts) {
    this.#offer = offer;
    this.#parts = parts;
  }

  get opening(): CallOpening {
    return this.#offer.opening;
  }

  get value(): unknown {
    return this.#offer.value;
  }

  get carrier() {
    return this.#offer.carrier;
  }

  get port(): IncomingCallPort {
    return this;
  }

  get isGone(): boolean {
    return this.#parts.isClosed;
  }

  /** Control messages find the call from now on, until it is closed. */
  open(machine: IncomingCallMachine<unknown, unknown>): void {
    this.#machine = machine;
    this.#place = this.#parts.served.add(this);
  }

  /** Undefined once the call is closed. */
  get machine(): IncomingCallMachine<unknown, unknown> | undefined {
    return this.#machine;
  }

  closed(): void {
    this.#machine = undefined;
    this.#parts.served.delete(this.#place, this);
  }

  control(message: ControlMessage): void {
    this.#machine?.control(message);
  }

  handBack(): void {
    const { hub, owner } = this.#parts;
    const { opening, subject } = this.#offer;
    const handedBack = { ...opening, handBacks: opening.handBacks + 1 };
    if (hub.calls.send(subject, owner, { ...this.#offer, opening: handedBack })) return;
    const { attempt } = opening;
    this.sendFrame({ type: 'error', attempt, sequence: 0, content: { error: allFull() } });
  }

  sendFrame(frame: CallFrame): void {
    if (this.#parts.isClosed) return;
    if (this.#frames.isEmpty) this.#parts.hub.turns.push(this);
    if (frame.type === 'head') this.#parts.hub.inspect(frame.content);
    this.#frames.add(frame.type === 'error' ? publicFailure(frame) : frame);
  }

  extendData(bytes: Uint8Array): boolean {
    return this.#frames.extend(bytes);
  }

  publishForCaller(event: AttemptedEvent, json: string): undefined {
    const { caller } = this.#offer;
    this.#parts.record(event, json).then(
      () => caller.acknowledged(true),
      () => caller.acknowledged(false),
    );
  }

  record(event: AttemptedEvent): Promise<void> {
    return this.#parts.record(event);
  }

  body(): Promise<Uint8Array> {
    return Promise.resolve(this.#offer.body);
  }

  /** Hands over what was sent. */
  inTurn(): void {
    const { caller } = this.#offer;
    for (const frame of this.#frames.take()) {
      if (!caller.receive(frame, this)) this.#machine?.callerGone();
    }
  }
}

/** Only what would cross a wire: the detail stays with whoever threw. */
function publicFailure(frame: Extract<CallFrame, { type: 'error' }>): CallFrame {
  return { ...frame, content: { ...frame.content, error: publicError(frame.content.error) } };
}

/** The error as a peer behind a wire would see it. */
export function publicError(error: GatewayError): GatewayError {
  return errorFromWire(errorToWire(error));
}
