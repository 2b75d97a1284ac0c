/**
 * What a caller hears of the messages in which workers published the attempts of its calls. A call says
 * which one it waits for when its end has come; what was heard before that is remembered for a while.
 */
import { InFlightMap } from '@gateway/runtime';

/** Of messages heard of, the last ones. A call that asks for an older one records its event itself. */
export const HEARD_MAX = 1_024;

export interface AwaitsAcknowledgement {
  acknowledged(stored: boolean): void;
}

export class PackAcknowledgements {
  readonly #heard = new Map<string, boolean>();
  readonly #waiting = new InFlightMap<string, Set<AwaitsAcknowledgement>>();

  heard(pack: string, stored: boolean): void {
    this.#heard.set(pack, stored);
    if (this.#heard.size > HEARD_MAX) {
      const [oldest] = this.#heard.keys();
      if (oldest !== undefined) this.#heard.delete(oldest);
    }
    const waiting = this.#waiting.get(pack);
    this.#waiting.delete(pack);
    for (const call of waiting ?? []) call.acknowledged(stored);
  }

  /** Tells the call once, now or later. The result calls it off. */
  wait(pack: string, call: AwaitsAcknowledgement): () => void {
    const stored = this.#heard.get(pack);
    if (stored !== undefined) {
      call.acknowledged(stored);
      return () => {};
    }
    const waiting = this.#waiting.get(pack) ?? new Set();
    this.#waiting.set(pack, waiting.add(call));
    return () => {
      waiting.delete(call);
      if (waiting.size === 0 && this.#waiting.get(pack) === waiting) this.#waiting.delete(pack);
    };
  }
}
