import { GatewayError } from '@gateway/protocol';
import { ALL_WINDOWS_BYTES_MAX, CALL_WINDOW_BYTES, CALL_WINDOW_BYTES_MIN } from '../bus.ts';

/**
 * Hands out the opening windows of one bus. Their sum bounds what workers may send ahead of slow
 * readers. An idle gateway gives full windows; from a quarter of the sum on they are a quarter as
 * large, from half of it on the smallest: 32 + 128 + 1,024 calls until one is refused.
 */
export class WindowPool {
  #openBytes = 0;

  get openBytes(): number {
    return this.#openBytes;
  }

  /** The bytes of a new window. Throws `overloaded` when the smallest no longer fits. */
  open(): number {
    const bytes = this.#nextBytes();
    if (this.#openBytes + bytes > ALL_WINDOWS_BYTES_MAX) {
      throw new GatewayError('overloaded', 'The gateway has too many answers under way.', {
        detail: `${this.#openBytes} bytes of call windows are open`,
      });
    }
    this.#openBytes += bytes;
    return bytes;
  }

  close(bytes: number): void {
    this.#openBytes -= bytes;
  }

  #nextBytes(): number {
    if (this.#openBytes < ALL_WINDOWS_BYTES_MAX / 4) return CALL_WINDOW_BYTES;
    if (this.#openBytes < ALL_WINDOWS_BYTES_MAX / 2) return CALL_WINDOW_BYTES / 4;
    return CALL_WINDOW_BYTES_MIN;
  }
}
