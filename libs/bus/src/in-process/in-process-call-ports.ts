/** The transport of a call's two halves in one process. Each is one object, without closures. */
import type { AttemptedEvent, Frame } from '@gateway/protocol';
import type { InFlightMap } from '@gateway/runtime';
import { type ControlMessage, callKey, encodeFailure } from '../calls/call-messages.ts';
import { type Arrival, allFull } from '../calls/call-server.ts';
import { FrameBatch } from '../calls/frame-batch.ts';
import type { IncomingCallMachine, IncomingCallPort } from '../calls/incoming-call.ts';
import type { OutgoingCallMachine, OutgoingCallPort } from '../calls/outgoing-call.ts';
import type { CallOffer, HubState } from './hub-state.ts';

/** What all calls of a bus share. */
export interface CallParts {
  readonly hub: HubState;
  /** The bus. */
  readonly owner: object;
  /** Calls that this bus made. */
  readonly outgoing: InFlightMap<string, OutgoingCallMachine<unknown>>;
  /** Calls that it serves. */
  readonly served: InFlightMap<string, ServedCall>;
  /** As if the process had died, but for what still runs in it. */
  readonly isClosed: boolean;
  record(event: AttemptedEvent): Promise<void>;
  sendControl(worker: string, message: ControlMessage): void;
}

/** The caller's half. */
export class CallerPort implements OutgoingCallPort {
  readonly #key: string;
  readonly #parts: CallParts;

  constructor(key: string, parts: CallParts) {
    this.#key = key;
    this.#parts = parts;
  }

  sendControl(worker: string, message: ControlMessage): void {
    this.#parts.sendControl(worker, message);
  }

  record(event: AttemptedEvent): Promise<void> {
    return this.#parts.record(event);
  }

  /** Nothing to wait for: what is published for a caller is acknowledged to its call. */
  awaitPack(): void {}

  accepted(worker: string): void {
    const { hub, outgoing } = this.#parts;
    // It may have died since it sent the frame.
    if (!hub.buses.has(worker)) hub.turns.push(() => outgoing.get(this.#key)?.workerLost());
  }

  closed(): void {
    this.#parts.outgoing.delete(this.#key);
  }
}

/** The worker's half, from the offer on. */
export class ServedCall implements Arrival, IncomingCallPort {
  readonly #offer: CallOffer;
  readonly #parts: CallParts;
  readonly #key: string;
  readonly #batch = new FrameBatch();
  readonly value: unknown;
  call: IncomingCallMachine<unknown, unknown> | undefined;

  constructor(offer: CallOffer, parts: CallParts) {
    this.#offer = offer;
    this.#parts = parts;
    this.#key = callKey(offer.opening.requestId, offer.opening.attempt);
    this.value = JSON.parse(offer.text);
  }

  get opening() {
    return this.#offer.opening;
  }

  get carrier() {
    return this.#offer.carrier;
  }

  get port(): IncomingCallPort {
    return this;
  }

  /** Control messages find it from now on. */
  open(): void {
    this.#parts.served.set(this.#key, this);
  }

  closed(): void {
    this.#parts.served.delete(this.#key);
  }

  handBack(): void {
    const { hub, owner } = this.#parts;
    const { opening, subject } = this.#offer;
    const handedBack = { ...opening, handBacks: opening.handBacks + 1 };
    if (hub.calls.send(subject, owner, { ...this.#offer, opening: handedBack })) return;
    const payload = encodeFailure(allFull());
    this.sendFrame({ type: 'error', attempt: opening.attempt, sequence: 0, payload });
  }

  sendFrame(frame: Frame): void {
    if (this.#parts.isClosed) return;
    if (this.#batch.isEmpty) this.#parts.hub.turns.push(() => this.#deliver());
    this.#batch.add(frame);
  }

  extendData(bytes: Uint8Array): boolean {
    return this.#batch.extend(bytes);
  }

  publishForCaller(event: AttemptedEvent): undefined {
    this.#parts.record(event).then(
      () => this.#acknowledge(true),
      () => this.#acknowledge(false),
    );
  }

  record(event: AttemptedEvent): Promise<void> {
    return this.#parts.record(event);
  }

  body(): Promise<Uint8Array> {
    return Promise.resolve(this.#offer.body);
  }

  #deliver(): void {
    const { caller, requestId } = this.opening;
    const calls = this.#parts.hub.buses.get(caller)?.calls;
    for (const frame of this.#batch.take()) {
      if (!calls?.receive(requestId, frame)) this.call?.callerGone();
    }
  }

  #acknowledge(stored: boolean): void {
    const { caller, requestId, attempt } = this.opening;
    this.#parts.hub.buses.get(caller)?.calls.acknowledged(requestId, attempt, stored);
  }
}
