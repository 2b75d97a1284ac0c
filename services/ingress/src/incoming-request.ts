/** One HTTP request as it comes in, whether the framework routes it or not. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type KeyRecord, newRequestId } from '@gateway/protocol';
import type { BudgetShare } from './byte-budget.ts';
import type { ErrorStyle } from './error-style.ts';
import { type ServerSpan, startServerSpan } from './server-span.ts';

/** Who may use a route. A route that says nothing is closed. */
export type Access = KeyRecord['role'] | 'public';

/** What a route says of the requests that it takes. */
export interface Route {
  /** Its address as it was registered, which says nothing of what a client put into its own. */
  readonly url: string;
  /** A route that says nothing is closed to everybody. */
  readonly access: Access | undefined;
  readonly errors: ErrorStyle;
  readonly bodyBytesMax: number;
}

export class IncomingRequest {
  readonly raw: IncomingMessage;
  readonly response: ServerResponse;
  /** Undefined where the address leads nowhere. */
  readonly route: Route | undefined;
  readonly requestId = newRequestId();
  /** Milliseconds since 1970. */
  readonly receivedAt = Date.now();
  /** Taken at the start: a socket that is closed has no address any more. */
  readonly clientAddress: string;
  /** Undefined where nothing is traced. */
  readonly span: ServerSpan | undefined;
  /** Set on every route but the public ones. */
  key: KeyRecord | undefined;
  /** What its body takes of the byte budget, until the answer ends. */
  held: BudgetShare | undefined;
  /** Whether it counts as one that runs, until the answer ends. */
  isRunning = false;

  constructor(
    raw: IncomingMessage,
    response: ServerResponse,
    route: Route | undefined,
    clientAddress: string,
  ) {
    this.raw = raw;
    this.response = response;
    this.route = route;
    this.clientAddress = clientAddress;
    // Probes come every few seconds and say nothing.
    this.span = route?.access === 'public' ? undefined : startServerSpan(raw, route?.url);
  }
}
