/**
 * Events that JetStream refuses for what they are, and would refuse for ever. They are put aside, a file
 * each, so that they hold nothing up and nobody loses them.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogMessage } from '../log/log-record.ts';
import { replaceFile } from '../log/replace-file.ts';

/** Beyond this something else is wrong, and the spool rather holds everything. */
export const REFUSED_EVENTS_MAX = 1_000;

export class RefusedEvents {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Resolves once the event is on disk. Throws when it cannot be, or when there are too many. */
  async keep({ id, subject, headers, bytes }: LogMessage, reason: string): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const names = await readdir(this.#directory);
    const name = `${id.replaceAll(/[^A-Za-z0-9-]/g, '_')}.json`;
    if (names.length >= REFUSED_EVENTS_MAX && !names.includes(name)) {
      throw new Error(`${this.#directory} holds ${REFUSED_EVENTS_MAX} refused events`);
    }
    const body = Buffer.from(bytes).toString('base64');
    const text = JSON.stringify({ id, subject, headers, reason, body });
    await replaceFile(join(this.#directory, name), text);
  }
}
