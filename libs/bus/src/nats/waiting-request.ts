import { type Check, type GatewayError, toGatewayError } from '@gateway/protocol';
import type { Message } from '../bus.ts';
import { abortReason } from '../calls/abort-reason.ts';
import { checkedMessage, type PackedMessage } from './message-packs.ts';

/** A request whatever its reply is, for those that carry it. */
export interface AskedRequest {
  readonly subject: string;
  readonly packed: PackedMessage;
  /** Until `deadline_exceeded`. */
  readonly timeoutMs: number;
  /** Where it has ended already, these do nothing. */
  answer(reply: Message<unknown>): void;
  fail(error: GatewayError): void;
  /** To be told when it ends; at once when it has. */
  whenOver(listener: OverListener): void;
}

export interface OverListener {
  requestIsOver(): void;
}

interface RequestSetup<Reply> {
  readonly subject: string;
  readonly packed: PackedMessage;
  readonly reply: Check<Reply>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** One object for all that may end a request, and no listener where no signal is given. */
export class WaitingRequest<Reply> implements AskedRequest {
  readonly subject: string;
  readonly packed: PackedMessage;
  readonly timeoutMs: number;
  readonly promise: Promise<Message<Reply>>;
  readonly #reply: Check<Reply>;
  readonly #signal: AbortSignal | undefined;
  #resolve!: (reply: Message<Reply>) => void;
  #reject!: (error: GatewayError) => void;
  #isOver = false;
  #listener: OverListener | undefined;

  constructor({ subject, packed, reply, timeoutMs, signal }: RequestSetup<Reply>) {
    this.subject = subject;
    this.packed = packed;
    this.timeoutMs = timeoutMs;
    this.#reply = reply;
    this.#signal = signal;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    signal?.addEventListener('abort', this);
  }

  answer(reply: Message<unknown>): void {
    if (!this.#end()) return;
    try {
      this.#resolve(checkedMessage(this.#reply, reply));
    } catch (error) {
      this.#reject(toGatewayError(error));
    }
  }

  fail(error: GatewayError): void {
    if (this.#end()) this.#reject(error);
  }

  whenOver(listener: OverListener): void {
    if (this.#isOver) listener.requestIsOver();
    else this.#listener = listener;
  }

  /** The signal's. */
  handleEvent(): void {
    this.fail(abortReason(this.#signal));
  }

  /** False where it has ended already. */
  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#signal?.removeEventListener('abort', this);
    this.#listener?.requestIsOver();
    return true;
  }
}
