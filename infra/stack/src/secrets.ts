/** What the stack makes up on its first start and keeps: passwords, the pepper and the first keys. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newKey, SERVICES, type ServiceName } from '@gateway/protocol';

export interface StackSecrets {
  readonly pepper: string;
  readonly clientKey: string;
  readonly adminKey: string;
  readonly nats: Readonly<Record<ServiceName | 'provisioner', string>>;
}

const FILE = 'secrets.json';
const OWNER_ONLY = 0o600;

/** Reads the secrets of the directory, or makes them. The file is for its owner alone. */
export function loadSecrets(directory: string): StackSecrets {
  const file = join(directory, FILE);
  mkdirSync(directory, { recursive: true });
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isMissing) throw error;
  }
  const secrets = makeSecrets();
  writeFileSync(file, `${JSON.stringify(secrets, undefined, 2)}\n`, { mode: OWNER_ONLY });
  return secrets;
}

function makeSecrets(): StackSecrets {
  // nats-server reads a variable as a value of its configuration, so it starts with a letter.
  const password = () => `p${randomBytes(24).toString('base64url')}`;
  const users = [...SERVICES, 'provisioner'] as const;
  return {
    pepper: password(),
    clientKey: newKey().text,
    adminKey: newKey().text,
    nats: Object.fromEntries(users.map((user) => [user, password()])) as StackSecrets['nats'],
  };
}
