import { generateKeyPairSync, verify } from 'node:crypto';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
export const PRIVATE_KEY = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
export const EMAIL = 'gateway@project.iam.gserviceaccount.test';

/** The text of a key file, as Google hands it out. */
export function keyFile(tokenUri: string, changes: Record<string, unknown> = {}): string {
  const file = {
    type: 'service_account',
    project_id: 'project',
    private_key_id: 'key-id',
    private_key: PRIVATE_KEY,
    client_email: EMAIL,
    token_uri: tokenUri,
    ...changes,
  };
  return JSON.stringify(file, undefined, 2);
}

interface Assertion {
  readonly header: unknown;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly isSigned: boolean;
}

/** The assertion in a form that was posted to the token endpoint. */
export function readAssertion(form: string): Assertion {
  const assertion = new URLSearchParams(form).get('assertion') ?? '';
  const [header = '', claims = '', signature = ''] = assertion.split('.');
  return {
    header: decode(header) as object,
    claims: decode(claims) as Record<string, unknown>,
    isSigned: verify(
      'sha256',
      Buffer.from(`${header}.${claims}`),
      publicKey,
      Buffer.from(signature, 'base64url'),
    ),
  };
}

function decode(text: string): unknown {
  return JSON.parse(Buffer.from(text, 'base64url').toString());
}
