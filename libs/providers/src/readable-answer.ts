import { GatewayError } from '@gateway/protocol';
import type { AnswerBody, TakeBytes } from './answer-body.ts';
import { joinBytes } from './join-bytes.ts';
import type { ProviderAnswer } from './provider.ts';

export class ReadableAnswer implements ProviderAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly #provider: string;
  readonly #body: AnswerBody;

  constructor(
    provider: string,
    status: number,
    headers: Readonly<Record<string, string>>,
    body: AnswerBody,
  ) {
    this.status = status;
    this.headers = headers;
    this.#provider = provider;
    this.#body = body;
  }

  read(take: TakeBytes): Promise<void> {
    return this.#body.read(take);
  }

  async readAll(bytesMax: number, onBytes?: (bytes: number) => void): Promise<Uint8Array> {
    const whole = this.#body.takeWhole();
    if (whole !== undefined) {
      onBytes?.(whole.length);
      if (whole.length > bytesMax) throw this.#tooLong(bytesMax);
      return whole;
    }
    const pieces: Uint8Array[] = [];
    let length = 0;
    await this.#body.read((piece) => {
      onBytes?.(piece.length);
      length += piece.length;
      if (length > bytesMax) throw this.#tooLong(bytesMax);
      pieces.push(piece);
      return undefined;
    });
    return joinBytes(pieces);
  }

  async readStart(bytesMax: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    await this.#body.read((piece) => {
      pieces.push(piece.subarray(0, bytesMax - length));
      length += piece.length;
      if (length >= bytesMax) this.#body.stop();
      return undefined;
    });
    return joinBytes(pieces);
  }

  #tooLong(bytesMax: number): GatewayError {
    const provider = this.#provider;
    const message = `The provider ${provider} sent an answer of more than ${bytesMax} bytes.`;
    return new GatewayError('provider_bad_response', message, { provider });
  }
}
