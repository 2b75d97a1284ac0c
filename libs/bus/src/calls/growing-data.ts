import { FRAME_PAYLOAD_BYTES_MAX } from '@gateway/protocol';

/** The payload of a data frame that has not left yet: more data joins it, up to the bound of a frame. */
export class GrowingData {
  #first: Uint8Array | undefined;
  /** With the first, once there is a second. */
  #pieces: Uint8Array[] | undefined;
  #bytes = 0;

  /** Nothing can join what is undefined. */
  begin(first: Uint8Array | undefined): void {
    this.#first = first;
    this.#pieces = undefined;
    this.#bytes = first?.length ?? 0;
  }

  /** False where there is no data, or no room for as much. */
  extend(bytes: Uint8Array): boolean {
    if (this.#first === undefined) return false;
    if (this.#bytes + bytes.length > FRAME_PAYLOAD_BYTES_MAX) return false;
    this.#pieces ??= [this.#first];
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    return true;
  }

  /** All of it; undefined where nothing has joined the first. */
  joined(): Uint8Array | undefined {
    return this.#pieces && Buffer.concat(this.#pieces);
  }
}
