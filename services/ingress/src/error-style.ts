import type { GatewayError } from '@gateway/protocol';

/** How an error reads in a dialect. */
export interface ErrorStyle {
  /** The status of the answer: the code's own, but where the vendor has another for the same. */
  status(error: GatewayError): number;
  body(error: GatewayError, requestId: string): object;
  /** The event that closes a stream which began well: the vendor's clients throw on it. */
  event(error: GatewayError, requestId: string): string;
}
