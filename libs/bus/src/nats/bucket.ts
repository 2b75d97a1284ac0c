/** A KV bucket: the last message of each subject of its stream, as ADR-8 of NATS lays it out. */
import {
  type BucketName,
  bucketStream,
  bucketSubject,
  GatewayError,
  headers as headerNames,
  jetStreamSubjects,
} from '@gateway/protocol';
import type { Msg } from '@nats-io/transport-node';
import type { Bucket, BucketWatcher, Entry, Subscription } from '../bus.ts';
import { encodeJson } from '../calls/call-messages.ts';
import { entryOf } from './bucket-entry.ts';
import { BucketWatch, type BucketWatchSetup } from './bucket-watch.ts';
import { drainable } from './drainable.ts';
import { storedSequence } from './event-publisher.ts';
import { headersWith } from './message-format.ts';

const BUCKET_TIMEOUT_MS = 2_000;
const NOT_FOUND = 404;
const KEY = /^[A-Za-z0-9_-]{1,128}$/;
const DELETED = 'DEL';

export type NatsBucketSetup = Omit<BucketWatchSetup, 'watcher'>;

export class NatsBucket implements Bucket {
  readonly #setup: NatsBucketSetup;
  readonly #name: BucketName;

  constructor(setup: NatsBucketSetup) {
    this.#setup = setup;
    this.#name = setup.bucket;
  }

  async get(key: string): Promise<Entry | undefined> {
    const stream = bucketStream(this.#name);
    const reply = await this.#ask(jetStreamSubjects.lastOfSubject(stream, this.#subject(key)));
    if (reply.headers?.code === NOT_FOUND) return undefined;
    return entryOf(reply, Number(reply.headers?.get(headerNames.sequence)));
  }

  put(key: string, value: unknown): Promise<number> {
    return this.#store(this.#subject(key), encodeJson(value), {});
  }

  async delete(key: string): Promise<void> {
    const mark = { [headerNames.bucketOperation]: DELETED };
    await this.#store(this.#subject(key), new Uint8Array(0), mark);
  }

  async watch(watcher: BucketWatcher): Promise<Subscription> {
    const watch = new BucketWatch({ ...this.#setup, watcher });
    await watch.start();
    return drainable(() => watch.stop());
  }

  #subject(key: string): string {
    if (KEY.test(key)) return bucketSubject(this.#name, key);
    throw new GatewayError('internal', 'The gateway failed to handle this request.', {
      detail: 'a bucket key must be 1 to 128 characters of [A-Za-z0-9_-]',
    });
  }

  async #store(
    subject: string,
    payload: Uint8Array,
    entries: Readonly<Record<string, string>>,
  ): Promise<number> {
    const reply = await this.#ask(subject, payload, entries);
    try {
      return storedSequence(reply);
    } catch (cause) {
      throw unavailable(String(cause), cause);
    }
  }

  async #ask(
    subject: string,
    payload?: Uint8Array,
    entries: Readonly<Record<string, string>> = {},
  ): Promise<Msg> {
    try {
      return await this.#setup.mux.request({
        subject,
        ...(payload !== undefined && { payload, headers: headersWith(entries) }),
        timeoutMs: BUCKET_TIMEOUT_MS,
      });
    } catch (cause) {
      throw unavailable(`bucket ${this.#name} does not answer`, cause);
    }
  }
}

function unavailable(detail: string, cause: unknown): GatewayError {
  return new GatewayError('bus_unavailable', 'The message bus is not available.', {
    detail,
    cause,
  });
}
