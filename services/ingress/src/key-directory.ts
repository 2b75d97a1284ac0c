/**
 * Every key, in memory: the bootstrap keys of the settings and the keys of the bucket, which is
 * watched, so that a created or revoked key is known here within milliseconds.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Bucket, Bus, Subscription } from '@gateway/bus';
import {
  buckets,
  KEY_SCHEMA,
  type KeyDigest,
  type KeyRecord,
  keyDigestUnder,
  keyRecord,
  keyTextIsPlausible,
} from '@gateway/protocol';
import type { Secret } from '@gateway/runtime';
import type { Logger } from '@gateway/telemetry';
import { Remembered } from './remembered.ts';

export const BOOTSTRAP_TENANT = 'default';
/** Keys whose texts are known again by one hash. */
const FOUND_MAX = 10_000;

export interface KeyDirectoryOptions {
  readonly bus: Bus;
  readonly pepper: Secret;
  readonly bootstrapKeys: { readonly client?: Secret; readonly admin?: Secret };
  readonly logger: Logger;
}

export class KeyDirectory implements AsyncDisposable {
  /** Of a key's text, under the pepper. */
  readonly digest: KeyDigest;
  readonly #logger: Logger;
  readonly #bucket: Bucket;
  readonly #byId = new Map<string, KeyRecord>();
  readonly #byDigest = new Map<string, KeyRecord>();
  readonly #bootstrapIds = new Set<string>();
  /** What `find` found, by a hash of the text that nobody outside this process can make. */
  readonly #found = new Remembered<KeyRecord>(FOUND_MAX);
  readonly #salt = randomBytes(32).toString('hex');
  #watch: Subscription | undefined;

  private constructor(bucket: Bucket, { pepper, bootstrapKeys, logger }: KeyDirectoryOptions) {
    this.#bucket = bucket;
    this.digest = keyDigestUnder(pepper.reveal());
    this.#logger = logger;
    for (const role of ['client', 'admin'] as const) {
      const text = bootstrapKeys[role]?.reveal();
      if (text === undefined) continue;
      const record = this.#bootstrapRecord(role, text);
      this.#bootstrapIds.add(record.id);
      this.#set(record);
    }
  }

  /** Resolves once the first snapshot of the bucket is here. */
  static async open(options: KeyDirectoryOptions): Promise<KeyDirectory> {
    const directory = new KeyDirectory(await options.bus.bucket(buckets.keys), options);
    await directory.#start();
    return directory;
  }

  /** The valid key with this text, or undefined: unknown, revoked and expired look the same. */
  find(text: string): KeyRecord | undefined {
    const name = hash('sha256', this.#salt + text);
    let record = this.#found.get(name);
    if (record === undefined) {
      record = this.#search(text);
      if (record === undefined) return undefined;
      this.#found.set(name, record);
    }
    if (record.revokedAt !== undefined) return undefined;
    const { expiresAt } = record;
    return expiresAt !== undefined && Date.parse(expiresAt) <= Date.now() ? undefined : record;
  }

  /** Takes three times as long as knowing it again. */
  #search(text: string): KeyRecord | undefined {
    const digest = this.digest(text);
    const record = keyTextIsPlausible(text) ? this.#byDigest.get(digest) : undefined;
    // The map is keyed by a keyed hash, which tells an attacker nothing; the comparison that decides
    // is still made in constant time.
    const expected = Buffer.from(record?.digest ?? '0'.repeat(64), 'hex');
    const isEqual = timingSafeEqual(Buffer.from(digest, 'hex'), expected);
    return isEqual ? record : undefined;
  }

  get(id: string): KeyRecord | undefined {
    return this.#byId.get(id);
  }

  list(): readonly KeyRecord[] {
    return [...this.#byId.values()];
  }

  isBootstrap(id: string): boolean {
    return this.#bootstrapIds.has(id);
  }

  /** Stores the record; it is in force here at once, elsewhere as soon as the watch tells. */
  async put(record: KeyRecord): Promise<void> {
    await this.#bucket.put(record.id, record);
    this.#set(record);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch?.drain();
  }

  async #start(): Promise<void> {
    const snapshot = Promise.withResolvers<void>();
    this.#watch = await this.#bucket.watch({
      changed: (id, entry) => this.#changed(id, entry?.value),
      ready: snapshot.resolve,
    });
    await snapshot.promise;
  }

  #changed(id: string, value: unknown): void {
    if (this.#bootstrapIds.has(id)) return;
    if (value === undefined) {
      this.#remove(id);
      return;
    }
    const parsed = keyRecord.safeParse(value);
    if (parsed.success && parsed.data.id === id) {
      this.#set(parsed.data);
      return;
    }
    // A record that cannot be read must not leave an older version of the key in force.
    this.#logger.error({ key_id: id }, 'a key record cannot be read; the key is refused');
    this.#remove(id);
  }

  #set(record: KeyRecord): void {
    this.#remove(record.id);
    this.#found.forget();
    this.#byId.set(record.id, record);
    this.#byDigest.set(record.digest, record);
  }

  #remove(id: string): void {
    const record = this.#byId.get(id);
    if (!record) return;
    this.#found.forget();
    this.#byId.delete(id);
    if (this.#byDigest.get(record.digest) === record) this.#byDigest.delete(record.digest);
  }

  #bootstrapRecord(role: KeyRecord['role'], text: string): KeyRecord {
    return {
      schema: KEY_SCHEMA,
      id: `bootstrap-${role}`,
      tenant: BOOTSTRAP_TENANT,
      name: `the ${role} key of the settings`,
      role,
      digest: this.digest(text),
      createdAt: new Date(0).toISOString(),
    };
  }
}
