import { GatewayError } from '@gateway/protocol';
import { errors } from 'undici';
import type { StopSignal } from './stop-signal.ts';

/** Where a call is: what a broken connection means depends on it. */
export type CallPhase = 'connecting' | 'awaiting' | 'answering';

export type CallTimeout =
  | 'connect_timeout'
  | 'first_byte_timeout'
  | 'idle_timeout'
  | 'total_timeout';

const TIMEOUT_MESSAGES: Record<CallTimeout, string> = {
  connect_timeout: 'could not be connected to in time',
  first_byte_timeout: 'did not begin to answer in time',
  idle_timeout: 'stopped sending in the middle of its answer',
  total_timeout: 'did not finish its answer in time',
};

export function timeoutError(provider: string, timeout: CallTimeout): GatewayError {
  return new GatewayError(
    'provider_timeout',
    `The provider ${provider} ${TIMEOUT_MESSAGES[timeout]}.`,
    { provider, reason: timeout },
  );
}

export function badResponse(
  provider: string,
  what: string,
  facts: { readonly upstreamStatus?: number; readonly cause?: unknown } = {},
): GatewayError {
  return new GatewayError('provider_bad_response', `The provider ${provider} ${what}.`, {
    provider,
    ...facts,
  });
}

/** What a call ends with that its caller has cancelled. */
export function abortError({ reason }: StopSignal): GatewayError {
  return reason instanceof GatewayError
    ? reason
    : new GatewayError('client_closed', 'The call was cancelled.', { cause: reason });
}

/** What the HTTP client reports. Addresses stay in `detail`, which clients never see. */
export function upstreamError(provider: string, phase: CallPhase, thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  if (thrown instanceof errors.ConnectTimeoutError) {
    return timeoutError(provider, 'connect_timeout');
  }
  if (thrown instanceof errors.HeadersOverflowError) {
    return badResponse(provider, 'sent more headers than are accepted', { cause: thrown });
  }
  if (isParserError(thrown)) {
    return badResponse(provider, 'sent something that is not HTTP', { cause: thrown });
  }
  if (thrown instanceof errors.ClientClosedError || thrown instanceof errors.ClientDestroyedError) {
    return new GatewayError('shutting_down', 'The gateway is shutting down.', { provider });
  }
  if (thrown instanceof errors.InvalidArgumentError) {
    return new GatewayError('internal', 'The gateway failed to handle this request.', {
      provider,
      detail: thrown.message,
      cause: thrown,
    });
  }
  const facts = { provider, detail: describe(thrown), cause: thrown };
  if (phase === 'answering') {
    const message = `The connection to the provider ${provider} broke in the middle of its answer.`;
    return new GatewayError('stream_interrupted', message, facts);
  }
  const message =
    phase === 'connecting'
      ? `The provider ${provider} could not be reached.`
      : `The provider ${provider} closed the connection without an answer.`;
  return new GatewayError('provider_unavailable', message, facts);
}

function isParserError(thrown: unknown): boolean {
  return (
    thrown instanceof errors.HTTPParserError ||
    thrown instanceof errors.ResponseContentLengthMismatchError
  );
}

function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const code = 'code' in thrown && typeof thrown.code === 'string' ? `${thrown.code} ` : '';
  return code + thrown.message;
}
