import type { GatewayError } from '@gateway/protocol';
import type { Logger } from '@gateway/telemetry';
import type { Msg } from '@nats-io/transport-node';
import type { Message } from '../bus.ts';
import { bytesInPack, MESSAGE_PACK_BYTES_MAX, type PackedMessage } from './message-packs.ts';
import { encodeMessages, packedError, packedReply } from './request-format.ts';
import type { TurnEnd } from './turn-end.ts';

/**
 * The replies to the requests of one message: those of one turn of the event loop are one message, and
 * nobody waits for a slower one.
 */
export class ReplyPack {
  readonly #asked: Msg;
  readonly #turnEnd: TurnEnd;
  readonly #logger: Logger | undefined;
  #replies: PackedMessage[] = [];
  #bytes = 0;
  readonly #sendWaiting = (): void => this.#send();

  constructor(
    asked: Msg,
    { turnEnd, logger }: { readonly turnEnd: TurnEnd; readonly logger: Logger | undefined },
  ) {
    this.#asked = asked;
    this.#turnEnd = turnEnd;
    this.#logger = logger;
  }

  /** To the request at this place. Throws `internal` where the reply is too large. */
  answer(place: number, reply: Message<unknown>): void {
    this.#add(packedReply(place, reply));
  }

  fail(place: number, error: GatewayError): void {
    this.#add(packedError(place, error));
  }

  #add(reply: PackedMessage): void {
    const bytes = bytesInPack(reply);
    if (this.#bytes + bytes > MESSAGE_PACK_BYTES_MAX) this.#send();
    if (this.#replies.length === 0) this.#turnEnd.push(this.#sendWaiting);
    this.#replies.push(reply);
    this.#bytes += bytes;
  }

  #send(): void {
    const replies = this.#replies;
    if (replies.length === 0) return;
    this.#replies = [];
    this.#bytes = 0;
    try {
      this.#asked.respond(encodeMessages(replies));
    } catch (error) {
      // The connection is closed.
      this.#logger?.warn({ error }, 'requests were not answered');
    }
  }
}
