import type { Message } from '@gateway/bus';
import {
  CACHED_BODY_BYTES_MAX,
  type InferenceHead,
  type InferenceRequest,
  type StoreMessage,
  type Usage,
} from '@gateway/protocol';

/** A filtered answer says nothing of what the next one would be. */
const STORED_FINISH_REASONS: ReadonlySet<string> = new Set(['stop', 'tool_calls', 'length']);

/** Keeps what the client is sent, to give it to the cache once it is known to be whole. */
export class CacheCopy {
  readonly #request: InferenceRequest;
  #pieces: Uint8Array[] | undefined;
  #length = 0;

  constructor(request: InferenceRequest) {
    this.#request = request;
    if (request.cache !== undefined) this.#pieces = [];
  }

  /** An answer that grows over `CACHED_BODY_BYTES_MAX` is forgotten. */
  add(bytes: Uint8Array): void {
    if (this.#pieces === undefined) return;
    this.#length += bytes.length;
    if (this.#length > CACHED_BODY_BYTES_MAX) this.#pieces = undefined;
    else this.#pieces.push(bytes);
  }

  /** What the cache is to keep of a complete answer; undefined when it shall keep nothing. */
  message(
    head: InferenceHead,
    finishReasons: readonly string[],
    usage: Usage,
  ): (Message<StoreMessage> & { readonly body: Uint8Array }) | undefined {
    const { cache, tenant, operation = 'generate' } = this.#request;
    if (cache === undefined || this.#pieces === undefined) return undefined;
    // Embeddings and counts do not end for a reason.
    if (operation === 'generate' && finishReasons.length === 0) return undefined;
    if (!finishReasons.every((reason) => STORED_FINISH_REASONS.has(reason))) return undefined;
    const { contentType, provider, model } = head;
    const entry = { contentType, provider, model, usage, storedAt: Date.now() };
    return {
      value: { tenant, key: cache.key, ttlSeconds: cache.ttlSeconds, entry },
      body: Buffer.concat(this.#pieces),
    };
  }
}
