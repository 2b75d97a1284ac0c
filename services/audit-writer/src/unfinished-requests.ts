import type { Entry } from './entry.ts';

/** Events held back; beyond that the oldest are let go. */
export const HELD_MAX = 1_500;

/** What came of one request, in the order it came. */
interface Gathered {
  readonly entries: Entry[];
  readonly untilMs: number;
  isEnded: boolean;
}

/**
 * Holds events back until the end of their request comes, or their time is up: an ordinary request is
 * then written once, as a whole, instead of once for each batch that has a part of it. What is held is
 * not acknowledged.
 */
export class UnfinishedRequests {
  readonly #holdMs: number;
  /** By request, the oldest first. Made anew for each batch, since a map keeps what has left it. */
  #held: ReadonlyMap<string, Gathered> = new Map();

  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  /**
   * What is to be written now, of these and of those held. The oldest come first, and those of one
   * request together.
   */
  take(entries: readonly Entry[], nowMs: number): readonly Entry[] {
    const due: Entry[] = [];
    const others: Entry[] = [];
    const gathered = this.#gather(entries, nowMs + this.#holdMs, others);
    const held = new Map<string, Gathered>();
    let heldCount = 0;
    for (const [requestId, request] of gathered) {
      if (request.isEnded || request.untilMs <= nowMs) {
        for (const entry of request.entries) due.push(entry);
      } else {
        held.set(requestId, request);
        heldCount += request.entries.length;
      }
    }
    for (const [requestId, request] of held) {
      if (heldCount <= HELD_MAX) break;
      held.delete(requestId);
      heldCount -= request.entries.length;
      for (const entry of request.entries) due.push(entry);
    }
    this.#held = held;
    due.push(...others);
    return due;
  }

  /** All that are held. */
  takeAll(): readonly Entry[] {
    const held = [...this.#held.values()].flatMap((request) => request.entries);
    this.#held = new Map();
    return held;
  }

  /** Those held and these by request. What is of none goes to `others`. */
  #gather(entries: readonly Entry[], untilMs: number, others: Entry[]): Map<string, Gathered> {
    const gathered = new Map(this.#held);
    for (const entry of entries) {
      const { requestId } = entry;
      if (requestId === undefined) {
        others.push(entry);
        continue;
      }
      const isEnd = entry.event.kind === 'finished';
      const request = gathered.get(requestId);
      if (request === undefined) {
        gathered.set(requestId, { entries: [entry], untilMs, isEnded: isEnd });
      } else {
        request.entries.push(entry);
        request.isEnded ||= isEnd;
      }
    }
    return gathered;
  }
}
