import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { GatewayError } from '@gateway/protocol';
import { z } from 'zod';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
/** The longest that Google accepts. */
const ASSERTION_SECONDS = 3600;

const keyFile = z.object({
  type: z.literal('service_account'),
  client_email: z.string().min(1).max(320),
  private_key_id: z.string().max(128).optional(),
  private_key: z.string().min(1),
  token_uri: z.url({ protocol: /^https?$/ }).default('https://oauth2.googleapis.com/token'),
});

/** A service account of Google Cloud, as the key file of it says. */
export interface ServiceAccount {
  readonly tokenUri: string;
  /** A signed claim to be the account, good for an hour from `at`, in milliseconds since 1970. */
  assertion(at: number): string;
}

/**
 * Reads the text of a key file. Throws `provider_auth_failed` for anything else; no error holds a
 * part of the text.
 * @see https://developers.google.com/identity/protocols/oauth2/service-account
 */
export function parseServiceAccount(provider: string, text: string): ServiceAccount {
  const parsed = keyFile.safeParse(readJson(text));
  const key = parsed.success ? readKey(parsed.data.private_key) : undefined;
  if (!parsed.success || key === undefined) {
    const message = `The credential of provider ${provider} is no key file of a service account.`;
    throw new GatewayError('provider_auth_failed', message, { provider });
  }
  const { client_email: email, private_key_id: keyId, token_uri: tokenUri } = parsed.data;
  return {
    tokenUri,
    assertion: (at) => {
      const issuedAt = Math.floor(at / 1000);
      const header = { alg: 'RS256', typ: 'JWT', ...(keyId !== undefined && { kid: keyId }) };
      const claims = {
        iss: email,
        scope: SCOPE,
        aud: tokenUri,
        iat: issuedAt,
        exp: issuedAt + ASSERTION_SECONDS,
      };
      const signed = `${encode(header)}.${encode(claims)}`;
      return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
    },
  };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readKey(pem: string): KeyObject | undefined {
  try {
    const key = createPrivateKey(pem);
    return key.asymmetricKeyType === 'rsa' ? key : undefined;
  } catch {
    return undefined;
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
