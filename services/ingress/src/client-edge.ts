/** What differs between the dialects of clients at the edge: how a request is read, how an error is said. */
import type { ClientDialect, InferenceRequest } from '@gateway/protocol';
import type { ErrorStyle } from './error-style.ts';
import type { ClientRequest } from './request-record.ts';

/** What the request path acts on, whatever dialect said it. */
export interface RequestFacts {
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** The same request may be given a stored answer without asking for it. */
  readonly deterministic: boolean;
  /**
   * The request as JSON says it, for the name of its answer in the cache. Empty once it will not be sent
   * again.
   */
  parsed: object;
  /** What the dialect adds to the request of the worker. */
  readonly more?: Pick<InferenceRequest, 'headers' | 'operation' | 'stateKey' | 'arrayStream'>;
  /** The one provider that can answer, whatever else the model's name leads to. */
  readonly onlyProvider?: string;
}

export interface ClientEdge {
  readonly dialect: ClientDialect;
  readonly errors: ErrorStyle;
  /** Throws `invalid_request`. */
  parse(request: ClientRequest): RequestFacts;
}
