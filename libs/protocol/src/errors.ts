/**
 * Errors that cross the bus or reach a client.
 *
 * There is one class and one closed set of codes. Whoever throws sets the facts; readers look them up
 * in the table and never parse text. `message` is safe for clients; `detail` is for our logs and
 * leaves neither the process nor the bus. An unknown error becomes `internal`, which is not retried.
 */
import { z } from 'zod';

interface ErrorRow {
  readonly origin: 'client' | 'provider' | 'gateway';
  /** Status of the HTTP answer when nothing was sent yet. 499 is logged, never sent. */
  readonly status: number;
  /** Whether the next target of the plan may be tried before the first byte. */
  readonly failover: boolean;
  /** Whether the client may repeat the request unchanged after a pause. */
  readonly repeatable: boolean;
}

function row(
  origin: ErrorRow['origin'],
  status: number,
  { failover = false, repeatable = false } = {},
): ErrorRow {
  return { origin, status, failover, repeatable };
}

export const ERRORS = {
  invalid_request: row('client', 400),
  authentication_failed: row('client', 401),
  permission_denied: row('client', 403),
  not_found: row('client', 404),
  model_not_found: row('client', 404),
  method_not_allowed: row('client', 405),
  request_timeout: row('client', 408),
  request_too_large: row('client', 413),
  unsupported_media_type: row('client', 415),
  headers_too_large: row('client', 431),
  rate_limited: row('client', 429, { repeatable: true }),
  quota_exhausted: row('client', 429),
  client_closed: row('client', 499),
  content_filtered: row('provider', 400),
  provider_rejected: row('provider', 400),
  provider_model_not_found: row('provider', 404, { failover: true }),
  provider_rate_limited: row('provider', 429, { failover: true, repeatable: true }),
  provider_quota_exhausted: row('provider', 429, { failover: true }),
  provider_auth_failed: row('provider', 502, { failover: true }),
  provider_unavailable: row('provider', 502, { failover: true, repeatable: true }),
  provider_bad_response: row('provider', 502, { failover: true }),
  provider_overloaded: row('provider', 503, { failover: true, repeatable: true }),
  provider_timeout: row('provider', 504, { failover: true }),
  stream_interrupted: row('provider', 502),
  no_responders: row('gateway', 503, { failover: true, repeatable: true }),
  worker_lost: row('gateway', 502, { failover: true, repeatable: true }),
  unknown_target: row('gateway', 503, { failover: true, repeatable: true }),
  overloaded: row('gateway', 503, { failover: true, repeatable: true }),
  bus_unavailable: row('gateway', 503, { repeatable: true }),
  limiter_unavailable: row('gateway', 503, { repeatable: true }),
  audit_unavailable: row('gateway', 503, { repeatable: true }),
  shutting_down: row('gateway', 503, { failover: true, repeatable: true }),
  deadline_exceeded: row('gateway', 504),
  /** Of a request that the audit-writer closed because its ingress died; nobody is told. */
  ingress_lost: row('gateway', 500),
  internal: row('gateway', 500),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

export const ERROR_CODES = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];

export interface ErrorFacts {
  /** Internal explanation for the log. Never sent. */
  readonly detail?: string;
  /** A finer code shown to clients instead of the code, for example `json_too_deep`. */
  readonly reason?: string;
  /** The request field at fault, as the client spelled its path. */
  readonly param?: string;
  readonly retryAfterMs?: number;
  readonly provider?: string;
  readonly upstreamStatus?: number;
  readonly cause?: unknown;
}

export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.facts = facts;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get mayFailOver(): boolean {
    return ERRORS[this.code].failover;
  }
}

/** Anything thrown, as a GatewayError: itself, or `internal` with the original as cause. */
export function toGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new GatewayError('internal', 'The gateway failed to handle this request.', {
    detail,
    cause: thrown,
  });
}

export const wireError = z.object({
  code: z.string(),
  message: z.string(),
  reason: z.string().optional(),
  param: z.string().optional(),
  retryAfterMs: z.number().nonnegative().optional(),
  provider: z.string().optional(),
  upstreamStatus: z.number().int().optional(),
});

export type WireError = z.infer<typeof wireError>;

/** The form of an error on the bus: the public facts alone. */
export function errorToWire(error: GatewayError): WireError {
  const { reason, param, retryAfterMs, provider, upstreamStatus } = error.facts;
  return {
    code: error.code,
    message: error.message,
    ...(reason !== undefined && { reason }),
    ...(param !== undefined && { param }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(provider !== undefined && { provider }),
    ...(upstreamStatus !== undefined && { upstreamStatus }),
  };
}

/** The error a peer sent. A code that this version does not know becomes `internal`. */
export function errorFromWire(wire: WireError): GatewayError {
  const { code, message, ...facts } = wire;
  const known = code in ERRORS ? (code as ErrorCode) : 'internal';
  return new GatewayError(known, message, {
    ...(facts.reason !== undefined && { reason: facts.reason }),
    ...(facts.param !== undefined && { param: facts.param }),
    ...(facts.retryAfterMs !== undefined && { retryAfterMs: facts.retryAfterMs }),
    ...(facts.provider !== undefined && { provider: facts.provider }),
    ...(facts.upstreamStatus !== undefined && { upstreamStatus: facts.upstreamStatus }),
    ...(known !== code && { detail: `unknown error code ${code}` }),
  });
}
