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
  readonly #finishReasons = new Map<number, string>();
  readonly #choices = new Set<number>();

  get finishReasons(): readonly string[] {
    if (this.#finishReasons.size < 2) return [...this.#finishReasons.values()];
    return [...this.#finishReasons].sort(([left], [right]) => left - right).map(([, text]) => text);
  }

  /** True when at least one choice was seen and each of them has said why it ended. */
  get everyChoiceFinished(): boolean {
    return this.#choices.size > 0 && this.#finishReasons.size === this.#choices.size;
  }

  name(id: string | null | undefined, model: string | null | undefined): void {
    if (id) this.responseId ??= id;
    if (model) this.responseModel = model;
  }

  count(usage: Usage | undefined): void {
    if (usage !== undefined) this.usage = usage;
  }

  see(choice: number): void {
    this.#choices.add(choice);
  }

  finish(choice: number, reason: string): void {
    this.#choices.add(choice);
    this.#finishReasons.set(choice, reason);
  }
}
