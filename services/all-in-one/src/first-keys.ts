/** The keys of a gateway that was started for the first time and told of none. */
import { BOOTSTRAP_TENANT, type KeyDirectory } from '@gateway/ingress';
import { KEY_SCHEMA, type KeyRecord, newKey } from '@gateway/protocol';

export interface FirstKeys {
  readonly client: string;
  readonly admin: string;
}

/**
 * Makes one client and one admin key where there are no keys at all, and returns their texts, which
 * are stored nowhere. Resolves with nothing where there are keys.
 */
export async function makeFirstKeys(keys: KeyDirectory): Promise<FirstKeys | undefined> {
  if (keys.list().length > 0) return undefined;
  return { client: await makeKey(keys, 'client'), admin: await makeKey(keys, 'admin') };
}

async function makeKey(keys: KeyDirectory, role: KeyRecord['role']): Promise<string> {
  const { id, text } = newKey();
  await keys.put({
    schema: KEY_SCHEMA,
    id,
    tenant: BOOTSTRAP_TENANT,
    name: `first ${role} key`,
    role,
    digest: keys.digest(text),
    createdAt: new Date().toISOString(),
  });
  return text;
}
