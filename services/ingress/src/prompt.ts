import { estimatePromptTokens } from '@gateway/dialects';
import type { RequestFacts } from './client-edge.ts';
import type { ClientRequest } from './request-record.ts';

const NO_BYTES = new Uint8Array();
const NOTHING = {};

/**
 * What a client asks, kept while it may have to be sent again. It may be megabytes, and a stream that
 * has begun may run for minutes: of its prompt nothing is kept but how long it was.
 */
export class Prompt {
  readonly #request: Pick<ClientRequest, 'body'>;
  readonly #facts: Pick<RequestFacts, 'parsed'>;
  #tokens: number | undefined;

  constructor(request: Pick<ClientRequest, 'body'>, facts: Pick<RequestFacts, 'parsed'>) {
    this.#request = request;
    this.#facts = facts;
  }

  get body(): Uint8Array {
    return this.#request.body;
  }

  /** An estimate. */
  get tokens(): number {
    return this.#tokens ?? estimatePromptTokens(this.#facts.parsed);
  }

  /** To be called once it will not be sent again. */
  release(): void {
    this.#tokens ??= this.tokens;
    this.#request.body = NO_BYTES;
    this.#facts.parsed = NOTHING;
  }
}
