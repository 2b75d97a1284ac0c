/**
 * The one place where a provider's error becomes ours. Each dialect reads its own shapes into
 * `SaidError`; codes, public messages and waits are decided here.
 */
import { type ErrorCode, type ErrorFacts, GatewayError } from '@gateway/protocol';
import { safeMessage } from './safe-message.ts';

/** What a provider said, in whatever shape it said it. */
export interface SaidError {
  readonly message?: string | undefined;
  /** The vendor's own names of the error: type, code, status. Lower case. */
  readonly names: readonly string[];
  readonly param?: string | undefined;
  /** A wait that the body asks for. */
  readonly retryAfterMs?: number | undefined;
}

export interface ErrorAnswer extends SaidError {
  /** Undefined for an error inside an answer of status 200. */
  readonly status?: number | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A wait longer than a day is no hint when to come back. */
export const RETRY_AFTER_MS_MAX = 24 * 60 * 60 * 1000;

/** The vendors' names that mean more than the status does. The first that fits decides. */
const NAMES: readonly (readonly [ErrorCode, readonly string[]])[] = [
  [
    'provider_quota_exhausted',
    ['insufficient_quota', 'billing_error', 'insufficient_balance', 'enforced_spend_limit_reached'],
  ],
  [
    'provider_auth_failed',
    [
      'authentication_error',
      'permission_error',
      'invalid_api_key',
      'api_key_invalid',
      'unauthenticated',
      'permission_denied',
    ],
  ],
  ['content_filtered', ['content_filter', 'content_policy_violation', 'moderation_blocked']],
  [
    'provider_model_not_found',
    ['model_not_found', 'not_found_error', 'not_found', 'deploymentnotfound'],
  ],
  ['provider_overloaded', ['overloaded_error', 'overloaded', 'unavailable', 'engine_overloaded']],
  [
    'provider_rate_limited',
    ['rate_limit_error', 'rate_limit_exceeded', 'resource_exhausted', 'too_many_requests'],
  ],
  ['provider_timeout', ['timeout_error', 'deadline_exceeded']],
  ['provider_unavailable', ['api_error', 'server_error', 'internal', 'internal_server_error']],
  [
    'provider_rejected',
    ['invalid_request_error', 'invalid_argument', 'request_too_large', 'failed_precondition'],
  ],
];

const STATUSES: Readonly<Record<number, ErrorCode>> = {
  401: 'provider_auth_failed',
  402: 'provider_quota_exhausted',
  403: 'provider_auth_failed',
  404: 'provider_model_not_found',
  408: 'provider_timeout',
  409: 'provider_unavailable',
  425: 'provider_unavailable',
  429: 'provider_rate_limited',
  503: 'provider_overloaded',
  504: 'provider_timeout',
  522: 'provider_timeout',
  524: 'provider_timeout',
  529: 'provider_overloaded',
};

/** Names that the status is not asked about: they say what no status can. */
const STRONGER_THAN_STATUS: readonly ErrorCode[] = [
  'provider_quota_exhausted',
  'provider_auth_failed',
  'content_filtered',
];

const CONTEXT_LENGTH = [
  /context[ _]length|context window|maximum context|prompt is too long|too many tokens/i,
  /token count .*exceeds|exceeds? the (?:maximum|max) (?:number of )?tokens/i,
  /input length and `?max_tokens/i,
];
const NO_CREDIT = /credit balance is too low|insufficient (?:balance|credits?)|insufficient_quota/i;

/** Of a provider's message, more is not looked at. */
const MESSAGE_CHARACTERS_READ = 2_000;

const MESSAGES: Partial<Record<ErrorCode, string>> = {
  content_filtered: 'The provider refused the content of this request.',
  provider_rejected: 'The provider rejected the request.',
  provider_model_not_found: 'The provider does not know the model.',
  provider_rate_limited: 'The provider limits the rate of requests.',
  provider_quota_exhausted: "The gateway's account at the provider has no quota left.",
  provider_auth_failed: "The provider does not accept the gateway's credential.",
  provider_unavailable: 'The provider failed to answer.',
  provider_overloaded: 'The provider is overloaded.',
  provider_timeout: 'The provider did not answer in time.',
};

/** The codes whose cause is in the request, so that the provider's own words help the client. */
const QUOTED: readonly ErrorCode[] = [
  'provider_rejected',
  'content_filtered',
  'provider_model_not_found',
];

export function providerError(whole: ErrorAnswer): GatewayError {
  // Cut before any pattern runs, so that a long text costs no more than a short one.
  const message = whole.message?.slice(0, MESSAGE_CHARACTERS_READ);
  const answer = { ...whole, message };
  const code = codeOf(answer);
  const said = message === undefined ? '' : safeMessage(message);
  const plain = MESSAGES[code] ?? 'The provider gave an answer that cannot be used.';
  const quoted = QUOTED.includes(code) && said !== '';
  const param = quoted ? answer.param : undefined;
  const reason = reasonOf(code, answer);
  const retryAfterMs = retryAfterOf(answer);
  const facts: ErrorFacts = {
    ...(reason !== undefined && { reason }),
    ...(param !== undefined && { param }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(answer.status !== undefined && { upstreamStatus: answer.status }),
    ...(said !== '' && !quoted && { detail: said }),
  };
  return new GatewayError(code, quoted ? said : plain, facts);
}

function codeOf({ status, names, message }: ErrorAnswer): ErrorCode {
  const named = NAMES.find(([, known]) => names.some((name) => known.includes(name)))?.[0];
  if (message !== undefined && NO_CREDIT.test(message)) return 'provider_quota_exhausted';
  if (named !== undefined && STRONGER_THAN_STATUS.includes(named)) return named;
  if (status === undefined || status < 300) return named ?? 'provider_unavailable';
  const byStatus = STATUSES[status];
  if (byStatus !== undefined) return byStatus;
  if (status >= 500) return 'provider_unavailable';
  if (status < 400) return 'provider_bad_response';
  return named === 'provider_model_not_found' ? named : 'provider_rejected';
}

function reasonOf(code: ErrorCode, { status, names, message }: ErrorAnswer): string | undefined {
  if (code !== 'provider_rejected') return undefined;
  if (names.includes('context_length_exceeded')) return 'context_length_exceeded';
  if (message !== undefined && CONTEXT_LENGTH.some((pattern) => pattern.test(message))) {
    return 'context_length_exceeded';
  }
  return status === 413 || names.includes('request_too_large') ? 'request_too_large' : undefined;
}

/** The longest wait that headers and body ask for, in milliseconds. */
function retryAfterOf({ headers = {}, retryAfterMs }: ErrorAnswer): number | undefined {
  const waits = [
    retryAfterMs,
    millisecondsOf(headers['retry-after-ms'], 1),
    millisecondsOf(headers['retry-after'], 1000),
    dateWait(headers['retry-after'], headers.date),
  ].filter((wait) => wait !== undefined);
  return waits.length === 0 ? undefined : Math.min(Math.max(...waits), RETRY_AFTER_MS_MAX);
}

function millisecondsOf(text: string | undefined, unitMs: number): number | undefined {
  if (text === undefined || !/^\d+(?:\.\d+)?$/.test(text.trim())) return undefined;
  return Math.ceil(Number(text) * unitMs);
}

/**
 * A `retry-after` that is a date, measured from the answer's own `date`: no clock of ours is read.
 */
function dateWait(retryAfter: string | undefined, date: string | undefined): number | undefined {
  if (retryAfter === undefined || date === undefined || !/[a-z]/i.test(retryAfter))
    return undefined;
  const wait = Date.parse(retryAfter) - Date.parse(date);
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}
