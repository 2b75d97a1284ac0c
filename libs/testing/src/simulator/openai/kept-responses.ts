import { type JsonObject, objectsOf, textOf } from '../../json-value.ts';
import { InvalidRequestError } from '../conversation.ts';

const RESPONSES_MAX = 1_000;

interface KeptResponse {
  readonly response: JsonObject;
  /** The whole conversation up to the response. */
  readonly before: readonly JsonObject[];
  readonly input: readonly JsonObject[];
}

/** The responses that were stored, the oldest dropped beyond 1,000. */
export class KeptResponses {
  readonly #kept = new Map<string, KeptResponse>();

  keep(request: JsonObject, input: readonly JsonObject[], response: JsonObject): void {
    if (request.store === false) return;
    const previous = textOf(request.previous_response_id);
    const before = previous === '' ? [] : this.conversation(previous);
    this.#kept.set(textOf(response.id), { response, before, input });
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined && this.#kept.size > RESPONSES_MAX) this.#kept.delete(oldest);
  }

  get(id: string): KeptResponse | undefined {
    return this.#kept.get(id);
  }

  /** Whether there was one. */
  delete(id: string): boolean {
    return this.#kept.delete(id);
  }

  /** All items up to the end of a response. Throws `InvalidRequestError`. */
  conversation(id: string): readonly JsonObject[] {
    const kept = this.#kept.get(id);
    if (kept === undefined) {
      const message = `Previous response with id '${id}' not found.`;
      throw new InvalidRequestError(message, 'previous_response_id');
    }
    return [...kept.before, ...kept.input, ...objectsOf(kept.response.output)];
  }

  /** An item that a response had. Throws `InvalidRequestError`. */
  item(id: string): JsonObject {
    for (const { response } of this.#kept.values()) {
      const item = objectsOf(response.output).find((candidate) => candidate.id === id);
      if (item !== undefined) return item;
    }
    throw new InvalidRequestError(`Item with id '${id}' not found.`, 'input');
  }
}
