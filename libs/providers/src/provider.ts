import type { ProviderRequest, SpokenDialects } from '@gateway/dialects';
import type { ProviderKind, Timeouts } from '@gateway/protocol';
import type { TakeBytes } from './answer-body.ts';
import type { StopSignal } from './stop-signal.ts';

/** A whole answer larger than this is refused; vendors send images and audio inside of JSON. */
export const ANSWER_BYTES_MAX = 32 * 1024 * 1024;
/** Of an error's body, more than this is not looked at. */
export const ERROR_BODY_BYTES_MAX = 64 * 1024;
/** Models taken over from a provider's list. */
export const MODELS_MAX = 5_000;

export interface SendOptions {
  /** Ours; the provider gets it as `x-gateway-request-id`, so that its log can be matched with ours. */
  readonly requestId: string;
  readonly stream: boolean;
  readonly timeouts: Timeouts;
  /** Closes the connection at once. A GatewayError as its reason is what the call then ends with. */
  readonly signal: StopSignal;
  /** Called when the first byte of the request goes out: from then on the call may cost money. */
  readonly onSent?: () => void;
}

/** Read it by exactly one of `read`, `readAll` and `readStart`; whoever stops reading ends the call. */
export interface ProviderAnswer {
  readonly status: number;
  /** Lower-case names; a repeated header is joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Gives `take` the bytes as they come, those that have come meanwhile as one piece. Resolves at
   * the end. Throws `provider_timeout`, `stream_interrupted` when the connection breaks, the reason
   * of the signal even while `take` waits, or what `take` throws.
   */
  read(take: TakeBytes): Promise<void>;
  /**
   * Throws `provider_bad_response` for a longer answer, what `onBytes` throws when it is told of the
   * next piece, else as `read`.
   */
  readAll(bytesMax: number, onBytes?: (bytes: number) => void): Promise<Uint8Array>;
  /** The first bytes of an answer of any length. */
  readStart(bytesMax: number): Promise<Uint8Array>;
}

export interface ProviderModel {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created?: number;
}

/**
 * One model provider with its address and credential. Every error is a GatewayError: `provider_timeout`
 * with the timeout as its reason, `provider_unavailable` when no connection came about or it broke before
 * the answer, `provider_bad_response` for what is no answer (a redirect, an encoding, too many headers).
 * Disposing ends the calls that still run.
 */
export interface Provider extends AsyncDisposable {
  readonly name: string;
  readonly kind: ProviderKind;
  readonly dialects: SpokenDialects;
  readonly serverAddress: string;
  readonly serverPort: number;
  /** Resolves with the status and headers of the answer, whatever the status, redirects excepted. */
  send(request: ProviderRequest, options: SendOptions): Promise<ProviderAnswer>;
  /** What the provider says it offers, `MODELS_MAX` at most. */
  listModels(signal: AbortSignal): Promise<readonly ProviderModel[]>;
  /** Takes no more calls; resolves when the running ones are done. */
  close(): Promise<void>;
}
