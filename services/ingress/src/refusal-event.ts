import {
  ERRORS,
  EVENT_SCHEMA,
  type FinishedEvent,
  type GatewayError,
  NO_USAGE,
  newRequestId,
} from '@gateway/protocol';
import type { IncomingRequest } from './incoming-request.ts';
import { USER_AGENT_LENGTH_MAX } from './request-record.ts';

/** The whole record of a request that was refused before its body was read as what it asks for. */
export function refusalEvent(
  request: IncomingRequest,
  error: GatewayError,
  configurationRevision: string,
): FinishedEvent {
  const finishedAt = Date.now();
  const { requestId, receivedAt, raw, key, span } = request;
  return {
    kind: 'finished',
    schema: EVENT_SCHEMA,
    requestId,
    receivedAt,
    tenant: key?.tenant ?? '',
    keyId: key?.id ?? '',
    endpoint: request.route?.url ?? '',
    method: raw.method ?? '',
    model: '',
    stream: false,
    clientIp: request.clientAddress,
    userAgent: (raw.headers['user-agent'] ?? '').slice(0, USER_AGENT_LENGTH_MAX),
    ...(span && { traceId: span.traceId }),
    configurationRevision,
    finishedAt,
    status: error.status,
    errorCode: error.code,
    ended: error.code === 'client_closed' ? 'client_closed' : 'refused',
    attempts: 0,
    cacheOutcome: 'bypass',
    usage: NO_USAGE,
    latencyMs: finishedAt - receivedAt,
    responseBytes: 0,
    assumed: false,
  };
}

/** Stands for so many refusals without a valid key, of which nothing but their number is kept. */
export function refusalSummary(refusals: number, configurationRevision: string): FinishedEvent {
  const now = Date.now();
  return {
    kind: 'finished',
    schema: EVENT_SCHEMA,
    requestId: newRequestId(),
    receivedAt: now,
    tenant: '',
    keyId: '',
    endpoint: '',
    method: '',
    model: '',
    stream: false,
    clientIp: '',
    userAgent: '',
    configurationRevision,
    finishedAt: now,
    status: ERRORS.authentication_failed.status,
    errorCode: 'authentication_failed',
    ended: 'refused',
    attempts: 0,
    cacheOutcome: 'bypass',
    usage: NO_USAGE,
    latencyMs: 0,
    responseBytes: 0,
    refusals,
    assumed: false,
  };
}
