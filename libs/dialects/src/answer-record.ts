import type { Usage } from '@gateway/protocol';
import type { AnswerFacts } from './exchange.ts';

/**
 * What is known of an answer while it is read. It is its own snapshot: the facts of an exchange.
 */
export class AnswerRecord implements AnswerFacts {
  usage?: Usage;
  responseModel?: string;
  responseId?: string;
  outputCharacters = 0;
  /** Nearly every answer has one choice, for which nothing is collected. */
  #choice: number | undefined;
  #finishReason: string | undefined;
  /** Finish reasons of the other choices, once they have one. */
  #others: Map<number, string | undefined> | undefined;

  /** In the order of the choices. */
  get finishReasons(): readonly string[] {
    if (this.#others === undefined) {
      return this.#finishReason === undefined ? [] : [this.#finishReason];
    }
    const all: [number, string | undefined][] = [
      [this.#choice ?? 0, this.#finishReason],
      ...this.#others,
    ];
    const sorted = all.toSorted(([left], [right]) => left - right);
    return sorted.map(([, reason]) => reason).filter((reason) => reason !== undefined);
  }

  /** True when at least one choice was seen and each of them has said why it ended. */
  get everyChoiceFinished(): boolean {
    if (this.#finishReason === undefined) return false;
    return this.#others === undefined || ![...this.#others.values()].includes(undefined);
  }

  name(id: string | null | undefined, model: string | null | undefined): void {
    if (id) this.responseId ??= id;
    if (model) this.responseModel = model;
  }

  count(usage: Usage | undefined): void {
    if (usage !== undefined) this.usage = usage;
  }

  see(choice: number): void {
    this.#choice ??= choice;
    if (choice === this.#choice) return;
    this.#others ??= new Map();
    if (!this.#others.has(choice)) this.#others.set(choice, undefined);
  }

  finish(choice: number, reason: string): void {
    this.see(choice);
    if (choice === this.#choice) this.#finishReason = reason;
    else this.#others?.set(choice, reason);
  }
}
