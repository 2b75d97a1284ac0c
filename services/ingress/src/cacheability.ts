import { type CachePolicy, cachePolicy, GatewayError } from '@gateway/protocol';

export interface CacheQuestion {
  /** The header `x-gateway-cache-ttl`: whole seconds, and a wish to be given a stored answer. */
  readonly ttl: string | undefined;
  /**
   * The header `x-gateway-cache-bypass`: anything but `0`, `false` or nothing asks for a new
   * answer.
   */
  readonly bypass: string | undefined;
  /** Whether the request, asked twice, means to be answered the same. */
  readonly deterministic: boolean;
  readonly policy: CachePolicy;
}

/**
 * `bypass`: the client wants no cache; `off`: nothing asks for it, or the operator switched it off.
 */
export type CacheDirective =
  | { readonly kind: 'bypass' }
  | { readonly kind: 'off' }
  | { readonly kind: 'use'; readonly ttlSeconds: number };

/**
 * Whether a request may be given a stored answer, and how long its own is kept. Throws
 * `invalid_request`.
 */
export function cacheDirective(question: CacheQuestion): CacheDirective {
  const { deterministic, policy } = question;
  const ttlSeconds = question.ttl === undefined ? undefined : parseTtl(question.ttl);
  if (asksForBypass(question.bypass)) return { kind: 'bypass' };
  if (!policy.enabled) return { kind: 'off' };
  if (ttlSeconds !== undefined) return { kind: 'use', ttlSeconds };
  return deterministic ? { kind: 'use', ttlSeconds: policy.ttlSeconds } : { kind: 'off' };
}

function asksForBypass(header: string | undefined): boolean {
  return !['', '0', 'false'].includes(header?.trim().toLowerCase() ?? '');
}

function parseTtl(header: string): number {
  const { ttlSeconds } = cachePolicy.shape;
  const ttl = ttlSeconds.safeParse(/^\d{1,7}$/.test(header) ? Number(header) : undefined);
  if (ttl.success) return ttl.data;
  const range = `from ${ttlSeconds.minValue} to ${ttlSeconds.maxValue}`;
  throw new GatewayError(
    'invalid_request',
    `The header x-gateway-cache-ttl must be a whole number of seconds ${range}.`,
    { param: 'x-gateway-cache-ttl' },
  );
}
