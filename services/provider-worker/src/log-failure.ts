import type { IncomingCall } from '@gateway/bus';
import {
  ERRORS,
  type ErrorCode,
  type GatewayError,
  type InferenceRequest,
} from '@gateway/protocol';
import type { Logger } from '@gateway/telemetry';

/** Their explanation is often a quotation of the request, and prompts are not logged. */
const QUOTING_CODES: ReadonlySet<ErrorCode> = new Set([
  'invalid_request',
  'provider_rejected',
  'content_filtered',
]);

type Call = Pick<IncomingCall<InferenceRequest, unknown>, 'requestId' | 'attempt' | 'request'>;

/** One line for a call that failed: a bug with its stack, the rest by its facts. */
export function logFailure(call: Call, logger: Logger, error: GatewayError, what: string): void {
  const { requestId, attempt, request } = call;
  const { detail, reason, upstreamStatus } = error.facts;
  const fields = {
    request_id: requestId,
    attempt,
    provider: request.target.provider,
    model: request.target.model,
    error_code: error.code,
    reason,
    upstream_status: upstreamStatus,
    ...(!QUOTING_CODES.has(error.code) && { detail }),
  };
  if (error.code === 'internal') logger.error({ ...fields, error }, what);
  else if (ERRORS[error.code].origin === 'client') logger.debug(fields, what);
  else logger.warn(fields, what);
}
