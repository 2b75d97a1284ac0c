import { GatewayError } from '@gateway/protocol';
import {
  ALL_WINDOWS_BYTES_MAX,
  CALL_WINDOW_BYTES,
  CALL_WINDOW_BYTES_MAX,
  CALL_WINDOW_BYTES_MIN,
} from '../bus.ts';

/** Up to here windows grow. */
const AMPLE_BYTES = ALL_WINDOWS_BYTES_MAX / 4;
/** From here on windows shrink, and new ones are smaller. */
const TIGHT_BYTES = ALL_WINDOWS_BYTES_MAX / 2;
const TIGHT_WINDOW_BYTES = 2 * CALL_WINDOW_BYTES_MIN;
/** From here on the smallest are opened. */
const SCARCE_BYTES = (ALL_WINDOWS_BYTES_MAX * 3) / 4;

/**
 * The windows of one bus. Their sum bounds what workers may send ahead of slow readers. A window opens
 * small, and whenever its reader has taken half of it, it doubles while less than a quarter of the sum
 * is open, and is halved once half of the sum is. If none ever is read, 1,024 + 4,096 + 8,192 calls fit
 * until one is refused.
 */
export class WindowPool {
  #openBytes = 0;

  get openBytes(): number {
    return this.#openBytes;
  }

  /** The bytes of a new window. Throws `overloaded` when the smallest no longer fits. */
  open(): number {
    const bytes = this.#openingBytes();
    if (this.#openBytes + bytes > ALL_WINDOWS_BYTES_MAX) {
      throw new GatewayError('overloaded', 'The gateway has too many answers under way.', {
        detail: `${this.#openBytes} bytes of call windows are open`,
      });
    }
    this.#openBytes += bytes;
    return bytes;
  }

  /** The bytes from now on of a window of which half or more was read. */
  resize(bytes: number): number {
    let next = bytes;
    if (this.#openBytes < AMPLE_BYTES) next = Math.min(2 * bytes, CALL_WINDOW_BYTES_MAX);
    else if (this.#openBytes >= TIGHT_BYTES) {
      next = Math.min(bytes, Math.max(bytes / 2, this.#openingBytes()));
    }
    this.#openBytes += next - bytes;
    return next;
  }

  close(bytes: number): void {
    this.#openBytes -= bytes;
  }

  #openingBytes(): number {
    if (this.#openBytes < TIGHT_BYTES) return CALL_WINDOW_BYTES;
    return this.#openBytes < SCARCE_BYTES ? TIGHT_WINDOW_BYTES : CALL_WINDOW_BYTES_MIN;
  }
}
