/** How an error reads to a client of OpenAI's API. The only place that turns a code into HTTP. */
import { ERRORS, type ErrorCode, type GatewayError } from '@gateway/protocol';

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

/** OpenAI's `type` and `code` for each of ours. */
const TYPES: Record<ErrorCode, readonly [type: string, code: string]> = {
  invalid_request: ['invalid_request_error', 'invalid_request'],
  authentication_failed: ['invalid_request_error', 'invalid_api_key'],
  permission_denied: ['permission_error', 'permission_denied'],
  not_found: ['invalid_request_error', 'unknown_url'],
  model_not_found: ['invalid_request_error', 'model_not_found'],
  method_not_allowed: ['invalid_request_error', 'method_not_allowed'],
  request_timeout: ['invalid_request_error', 'request_timeout'],
  request_too_large: ['invalid_request_error', 'request_too_large'],
  unsupported_media_type: ['invalid_request_error', 'unsupported_media_type'],
  headers_too_large: ['invalid_request_error', 'headers_too_large'],
  rate_limited: ['rate_limit_error', 'rate_limit_exceeded'],
  quota_exhausted: ['insufficient_quota', 'insufficient_quota'],
  client_closed: ['invalid_request_error', 'client_closed'],
  content_filtered: ['invalid_request_error', 'content_filter'],
  provider_rejected: ['invalid_request_error', 'provider_rejected'],
  provider_model_not_found: ['invalid_request_error', 'model_not_found'],
  provider_rate_limited: ['rate_limit_error', 'provider_rate_limited'],
  provider_quota_exhausted: ['insufficient_quota', 'provider_quota_exhausted'],
  provider_auth_failed: ['upstream_error', 'provider_auth_failed'],
  provider_unavailable: ['upstream_error', 'provider_unavailable'],
  provider_bad_response: ['upstream_error', 'provider_bad_response'],
  provider_overloaded: ['upstream_error', 'provider_overloaded'],
  provider_timeout: ['upstream_error', 'provider_timeout'],
  stream_interrupted: ['upstream_error', 'stream_interrupted'],
  no_responders: ['service_unavailable', 'no_responders'],
  worker_lost: ['upstream_error', 'worker_lost'],
  unknown_target: ['service_unavailable', 'unknown_target'],
  overloaded: ['service_unavailable', 'overloaded'],
  bus_unavailable: ['service_unavailable', 'bus_unavailable'],
  limiter_unavailable: ['service_unavailable', 'limiter_unavailable'],
  audit_unavailable: ['service_unavailable', 'audit_unavailable'],
  shutting_down: ['service_unavailable', 'shutting_down'],
  deadline_exceeded: ['upstream_error', 'deadline_exceeded'],
  ingress_lost: ['server_error', 'ingress_lost'],
  internal: ['server_error', 'internal_error'],
};

const RETRY_AFTER_MS = 1_000;

export function errorBody(error: GatewayError): ErrorBody {
  const [type, code] = TYPES[error.code];
  const { reason, param } = error.facts;
  return { error: { message: error.message, type, param: param ?? null, code: reason ?? code } };
}

/**
 * Headers of an error reply. `retry-after` (seconds, RFC 9110 §10.2.3) and the finer
 * `retry-after-ms`, which OpenAI's clients honour, come with 429 and 503; `x-should-retry: false`
 * tells those clients that the gateway has tried already or that a repetition cannot help. What only
 * the gateway itself could not do for the moment is theirs to try again.
 */
export function errorHeaders(error: GatewayError, attempts: number): Record<string, string> {
  const headers: Record<string, string> = { 'cache-control': 'no-store' };
  const { retryAfterMs } = error.facts;
  const isPassing = error.status === 503 || (error.status === 429 && !isQuota(error.code));
  if (isPassing) {
    const waitMs = Math.max(1, Math.ceil(retryAfterMs ?? RETRY_AFTER_MS));
    headers['retry-after'] = String(Math.ceil(waitMs / 1000));
    headers['retry-after-ms'] = String(waitMs);
  }
  const { origin, repeatable } = ERRORS[error.code];
  const isOurs = origin === 'gateway' && error.status === 503;
  if ((attempts > 0 && !isOurs) || (mayBeRepeated(error.status) && !repeatable)) {
    headers['x-should-retry'] = 'false';
  }
  return headers;
}

/** The event that closes a stream which began well: OpenAI's clients throw on it. */
export function errorEvent(error: GatewayError): string {
  return `data: ${JSON.stringify(errorBody(error))}\n\n`;
}

/** What vendors' clients repeat by themselves. */
function mayBeRepeated(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

function isQuota(code: ErrorCode): boolean {
  return code === 'quota_exhausted' || code === 'provider_quota_exhausted';
}
