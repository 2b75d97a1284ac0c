/**
 * Ids of responses that a provider keeps, as clients see them.
 *
 * A kept response belongs to the gateway's account at the provider, where all tenants are one. Its
 * id for the client therefore says which provider has it and carries a code over that under a key
 * of the tenant: no table is needed to find it, and another tenant's id opens nothing.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { GatewayError } from '@gateway/protocol';

const PREFIX = 'resp_';
const CODE_BYTES = 16;
/** OpenAI's ids have 55 characters. */
const ID_CHARACTERS_MAX = 512;

/** A response at a provider, by the provider's own id. */
export interface KeptResponse {
  readonly provider: string;
  readonly id: string;
}

/** Whose responses they are, and where they are kept. */
export interface StateOptions {
  /** Of the tenant: see `responseIdKey`. */
  readonly key: string;
  readonly provider: string;
}

/** The key under which a tenant's ids are signed, in hex; made of the secret that replicas share. */
export function responseIdKey(pepper: string, tenant: string): string {
  return createHmac('sha256', pepper).update(`response-ids\0${tenant}`, 'utf8').digest('hex');
}

export function sealResponseId(key: string, { provider, id }: KeptResponse): string {
  const place = Buffer.from(`${provider}/${id}`, 'utf8');
  return PREFIX + Buffer.concat([codeOf(key, place), place]).toString('base64url');
}

/** Undefined for an id that this tenant was not given. */
export function openResponseId(key: string, text: string): KeptResponse | undefined {
  if (!text.startsWith(PREFIX) || text.length > ID_CHARACTERS_MAX) return undefined;
  const bytes = Buffer.from(text.slice(PREFIX.length), 'base64url');
  const place = bytes.subarray(CODE_BYTES);
  if (place.length === 0 || !timingSafeEqual(bytes.subarray(0, CODE_BYTES), codeOf(key, place))) {
    return undefined;
  }
  const [provider = '', ...rest] = place.toString('utf8').split('/');
  return { provider, id: rest.join('/') };
}

/** What a request gets that names a response which is not its tenant's, or which nobody has. */
export function previousResponseNotFound(): GatewayError {
  const message =
    "The previous response was not found. Responses with 'store' false, and those of models that are " +
    "not OpenAI's, are kept nowhere: send all items in 'input'.";
  return new GatewayError('invalid_request', message, {
    reason: 'previous_response_not_found',
    param: 'previous_response_id',
  });
}

function codeOf(key: string, place: Uint8Array): Buffer {
  return createHmac('sha256', key).update(place).digest().subarray(0, CODE_BYTES);
}
