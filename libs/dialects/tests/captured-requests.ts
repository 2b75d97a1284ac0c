/** Requests that unmodified clients sent, as they were captured. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CapturedRequest {
  readonly name: string;
  readonly url: string;
  readonly body: Uint8Array;
}

/** Of the directory of recordings, those with a body. */
export function capturedRequests(directory: string): CapturedRequest[] {
  const folder = join(directory, 'clients');
  return readdirSync(folder).flatMap((name) => {
    const { url, body } = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    if (typeof url !== 'string' || typeof body !== 'object' || body === null) return [];
    return [{ name, url, body: new TextEncoder().encode(JSON.stringify(body)) }];
  });
}
