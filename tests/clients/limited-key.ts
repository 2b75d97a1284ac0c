import { inject } from 'vitest';

export interface KeyLimit {
  readonly requests: number;
  readonly window_seconds: number;
}

/** Makes a key through the admin API and gives its secret. */
export async function createKey(limit: KeyLimit): Promise<string> {
  const response = await fetch(`${inject('baseUrl')}/admin/v1/keys`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${inject('adminKey')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ name: 'a key of a client', limit }),
  });
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  const { key } = (await response.json()) as { key: string };
  return key;
}
