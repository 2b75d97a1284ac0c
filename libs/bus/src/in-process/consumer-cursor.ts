import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Clock } from '../calls/clock.ts';
import type { Logger } from '../log/durable-log.ts';
import { replaceFile } from '../log/replace-file.ts';

const cursorText = z.object({
  position: z.number().int().nonnegative(),
  unsettled: z.array(z.number().int().positive()),
});

/** How far a consumer has come: all up to `position` is settled, except what is listed. */
export type CursorState = z.infer<typeof cursorText>;

/** Settlements since the last write are lost with the process, and their events delivered again. */
export const CURSOR_SAVE_INTERVAL_MS = 1_000;

export interface ConsumerCursorOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly state: () => CursorState;
}

/** Keeps a consumer's state in a small file, written at most once in an interval. */
export class ConsumerCursor {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #state: () => CursorState;
  readonly #clock: Clock;
  #callOff: (() => void) | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: ConsumerCursorOptions) {
    this.#path = options.path;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#state = options.state;
  }

  /** Undefined where there is none or it is unreadable: then everything kept is delivered again. */
  async load(): Promise<CursorState | undefined> {
    try {
      return cursorText.parse(JSON.parse(await readFile(this.#path, 'utf8')));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        this.#logger.error({ error, path: this.#path }, 'starting without an unreadable cursor');
      }
      return undefined;
    }
  }

  changed(): void {
    this.#callOff ??= this.#clock.after(CURSOR_SAVE_INTERVAL_MS, () => void this.save());
  }

  async save(): Promise<void> {
    this.#callOff?.();
    this.#callOff = undefined;
    this.#saving = this.#saving.then(async () => {
      await replaceFile(this.#path, JSON.stringify(this.#state()));
    });
    // An old cursor costs deliveries, nothing else; the next settlement tries again.
    this.#saving = this.#saving.catch((error: unknown) => {
      this.#logger.warn({ error }, 'cannot save the position of a consumer');
    });
    await this.#saving;
  }
}
