import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

/** A script that lies beside this file, called by its hash. */
export class RedisScript {
  readonly #text: string;
  readonly #sha: string;

  constructor(fileName: string) {
    this.#text = readFileSync(new URL(fileName, import.meta.url), 'utf8');
    this.#sha = createHash('sha1').update(this.#text).digest('hex');
  }

  /** Redis forgets scripts over a restart or SCRIPT FLUSH; then it is taught again, once. */
  async run(
    client: Redis,
    keys: readonly string[],
    values: readonly (string | number)[],
  ): Promise<unknown> {
    try {
      return await client.evalsha(this.#sha, keys.length, ...keys, ...values);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      await client.script('LOAD', this.#text);
      return await client.evalsha(this.#sha, keys.length, ...keys, ...values);
    }
  }
}
