/**
 * What a worker says in one turn of the event loop is one message for each caller, whatever number of
 * calls it is about: a message costs a server, and both ends, more than the frames in it.
 */
import {
  type CallFrames,
  encodeFrames,
  FRAMES_MESSAGE_BYTES_MAX,
  type Frame,
  frameBytes,
  GatewayError,
  MESSAGE_BYTES_MAX,
  sectionBytes,
} from '@gateway/protocol';
import { FrameBatch } from '../calls/frame-batch.ts';
import type { TurnEnd } from './turn-end.ts';

/** Every so many data frames one asks whether somebody receives them. */
const HOP_EVERY_FRAMES = 16;

/** One call as its frames are addressed. */
export interface FrameAddress {
  readonly caller: string;
  /** Of the call among all of its caller. */
  readonly key: string;
}

export interface FrameMessage<Address> {
  readonly caller: string;
  readonly payload: Uint8Array;
  /** A call that is to be told when nobody receives the message; undefined where none asks. */
  readonly asking: Address | undefined;
}

/** Frames of one call that wait for the end of the turn. */
export class FrameOutbox<Address extends FrameAddress> {
  readonly address: Address;
  readonly #outboxes: FrameOutboxes<Address>;
  readonly #batch = new FrameBatch();

  constructor(address: Address, outboxes: FrameOutboxes<Address>) {
    this.address = address;
    this.#outboxes = outboxes;
  }

  /** Throws `internal` for a frame that is too large for any message. */
  send(frame: Frame): void {
    const { length } = frame.payload;
    if (length > MESSAGE_BYTES_MAX) {
      throw new GatewayError('internal', 'The gateway failed to handle this request.', {
        detail: `a frame of ${length} bytes is larger than ${MESSAGE_BYTES_MAX}`,
      });
    }
    if (!this.#batch.fits(length)) this.#outboxes.sendAll();
    if (this.#batch.isEmpty) this.#outboxes.wait(this);
    this.#batch.add(frame);
  }

  /** Adds to the data that waits. False where none does, or it has no room. */
  extendData(bytes: Uint8Array): boolean {
    return this.#batch.extend(bytes);
  }

  /** What waits, in order. Nothing waits any more. */
  take(): readonly Frame[] {
    return this.#batch.take();
  }
}

/** The outboxes of all calls that one worker serves. */
export class FrameOutboxes<Address extends FrameAddress> {
  readonly #turnEnd: TurnEnd;
  readonly #publish: (message: FrameMessage<Address>) => void;
  #waiting: FrameOutbox<Address>[] = [];

  /** `publish` must not throw. */
  constructor(turnEnd: TurnEnd, publish: (message: FrameMessage<Address>) => void) {
    this.#turnEnd = turnEnd;
    this.#publish = publish;
  }

  open(address: Address): FrameOutbox<Address> {
    return new FrameOutbox(address, this);
  }

  /** For an outbox that has frames from now on. */
  wait(outbox: FrameOutbox<Address>): void {
    if (this.#waiting.length === 0) this.#turnEnd.push(this.sendAll);
    this.#waiting.push(outbox);
  }

  /** Sends what waits, each caller's in messages of FRAMES_MESSAGE_BYTES_MAX or one call's. */
  readonly sendAll = (): void => {
    let waiting = this.#waiting;
    this.#waiting = [];
    while (waiting[0] !== undefined) {
      const { caller } = waiting[0].address;
      this.#sendTo(waiting.filter(({ address }) => address.caller === caller));
      // There is one caller, nearly always.
      waiting = waiting.filter(({ address }) => address.caller !== caller);
    }
  };

  #sendTo(outboxes: readonly FrameOutbox<Address>[]): void {
    let calls: (CallFrames & { readonly address: Address })[] = [];
    let bytes = 0;
    for (const outbox of outboxes) {
      const { address } = outbox;
      const frames = outbox.take();
      const more = sectionBytes(address.key, frameBytes(frames));
      if (calls.length > 0 && bytes + more > FRAMES_MESSAGE_BYTES_MAX) {
        this.#sendCalls(calls);
        calls = [];
        bytes = 0;
      }
      calls.push({ key: address.key, frames, address });
      bytes += more;
    }
    this.#sendCalls(calls);
  }

  #sendCalls(calls: readonly (CallFrames & { readonly address: Address })[]): void {
    const [first] = calls;
    if (first === undefined) return;
    const asking = calls.find(({ frames }) => frames.some(asksForReceiver));
    // One that has ended is no longer there to be told, and the others with it.
    const told = asking && (calls.find(({ frames }) => !frames.some(isTerminal)) ?? asking);
    const payload = encodeFrames(calls);
    this.#publish({ caller: first.address.caller, payload, asking: told?.address });
  }
}

function asksForReceiver({ type, sequence }: Frame): boolean {
  return type !== 'data' || sequence % HOP_EVERY_FRAMES === 0;
}

function isTerminal({ type }: Frame): boolean {
  return type === 'end' || type === 'error';
}
