import type { BucketWatcher, Subscription } from '../bus.ts';
import type { Logger } from '../log/durable-log.ts';
import { readEntry, type StoredEntry } from './stored-entry.ts';

/**
 * Tells one watcher of changes in order, never inside the call that made the change and never inside
 * another call of the watcher.
 */
export class BucketWatch implements Subscription {
  readonly #watcher: BucketWatcher;
  readonly #logger: Logger;
  readonly #ended: () => void;
  #closed = false;

  constructor(watcher: BucketWatcher, logger: Logger, ended: () => void) {
    this.#watcher = watcher;
    this.#logger = logger;
    this.#ended = ended;
  }

  changed(key: string, entry: StoredEntry | undefined): void {
    this.#tell(() => this.#watcher.changed(key, readEntry(entry)));
  }

  ready(): void {
    this.#tell(() => this.#watcher.ready());
  }

  async drain(): Promise<void> {
    this.#closed = true;
    this.#ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  #tell(what: () => void): void {
    queueMicrotask(() => {
      if (this.#closed) return;
      try {
        what();
      } catch (error) {
        this.#logger.error({ error }, 'a watcher of a bucket failed');
      }
    });
  }
}
