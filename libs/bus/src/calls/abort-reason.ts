import { GatewayError } from '@gateway/protocol';

/** Why a request ends whose signal has aborted. */
export function abortReason(signal: AbortSignal | undefined): GatewayError {
  if (signal?.reason instanceof GatewayError) return signal.reason;
  return new GatewayError('client_closed', 'The client closed the request.');
}
