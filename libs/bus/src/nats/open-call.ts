import type { AttemptedEvent } from '@gateway/protocol';
import type { ControlMessage } from '../calls/call-messages.ts';
import type { OutgoingCallMachine, OutgoingCallPort } from '../calls/outgoing-call.ts';
import type { EventRecorder } from './event-recorder.ts';
import type { PackAcknowledgements } from './pack-acknowledgements.ts';
import type { WorkerLiveness } from './worker-liveness.ts';

/** What all calls of a caller share. */
export interface OpenCallsParts {
  readonly recorder: Pick<EventRecorder, 'record'>;
  readonly acknowledgements: PackAcknowledgements;
  readonly liveness: WorkerLiveness;
  sendControl(worker: string, message: ControlMessage): void;
  closed(call: OpenCall): void;
}

/** What a call hears of its transport, whatever its endpoint. */
type Listening = Pick<
  OutgoingCallMachine<unknown>,
  'receive' | 'acknowledged' | 'noResponders' | 'workerLost' | 'busLost'
>;

const NO_CALLS: readonly OpenCall[] = [];

/** One call of a caller. Thousands may be open, so it is one object, without a closure of its own. */
export class OpenCall implements OutgoingCallPort {
  readonly key: string;
  /** A body that did not fit into the request. */
  readonly body: Uint8Array | undefined;
  /** Calls that travel in one message with this one, the first of them, until a worker has that. */
  companions: readonly OpenCall[] = NO_CALLS;
  readonly #parts: OpenCallsParts;
  #machine: Listening | undefined;
  #worker: string | undefined;
  #watchPlace = -1;
  #stopWaiting: (() => void) | undefined;

  constructor(key: string, body: Uint8Array | undefined, parts: OpenCallsParts) {
    this.key = key;
    this.body = body;
    this.#parts = parts;
  }

  /** Of the call, made right after this. */
  get machine(): Listening {
    if (this.#machine === undefined) throw new Error(`call ${this.key} has not begun`);
    return this.#machine;
  }

  set machine(machine: Listening) {
    this.#machine = machine;
  }

  sendControl(worker: string, message: ControlMessage): void {
    this.#parts.sendControl(worker, message);
  }

  record(event: AttemptedEvent): Promise<void> {
    return this.#parts.recorder.record(event);
  }

  awaitPack(pack: string): void {
    this.#stopWaiting = this.#parts.acknowledgements.wait(pack, this.machine);
  }

  /** Nobody serves the endpoint that the message went to. */
  noResponders(): void {
    for (const { machine } of this.companions) machine.noResponders();
    this.machine.noResponders();
  }

  accepted(worker: string): void {
    this.companions = NO_CALLS;
    this.#worker = worker;
    this.#watchPlace = this.#parts.liveness.watch(worker, this.machine);
  }

  closed(): void {
    if (this.#worker !== undefined) {
      this.#parts.liveness.unwatch(this.#worker, this.#watchPlace, this.machine);
    }
    this.#stopWaiting?.();
    this.#parts.closed(this);
  }
}
