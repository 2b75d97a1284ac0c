/** A client that says exactly the bytes that it is told to say. */
import { connect, type Socket } from 'node:net';
import { waitFor } from '@gateway/testing';
import { onTestFinished } from 'vitest';

export interface RawConnection {
  readonly socket: Socket;
  /** Everything received so far. */
  readonly received: string;
  readonly isClosed: boolean;
  /** Whether the server dropped the connection on bytes that it did not read. */
  readonly wasReset: boolean;
  send(bytes: string | Uint8Array): void;
  /** Waits until so many whole answers are here, and gives them. */
  answers(count: number): Promise<readonly RawAnswer[]>;
  /** Waits until the server has closed the connection. */
  closed(): Promise<void>;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** `from` is an address of this machine, another one for another client. */
export function openRawConnection(port: number, from = '127.0.0.1'): RawConnection {
  const socket = connect({ host: '127.0.0.1', port, localAddress: from, allowHalfOpen: true });
  const pieces: Buffer[] = [];
  const state = { isClosed: false, wasReset: false };
  socket.on('data', (bytes: Buffer) => pieces.push(bytes));
  socket.on('error', () => {
    state.wasReset = true;
  });
  // Half open, so that a test can say more to a server that wants to hear no more.
  for (const event of ['end', 'close']) {
    socket.on(event, () => {
      state.isClosed = true;
    });
  }
  onTestFinished(() => void socket.destroy());
  const received = () => Buffer.concat(pieces).toString('latin1');
  return {
    socket,
    get received() {
      return received();
    },
    get isClosed() {
      return state.isClosed;
    },
    get wasReset() {
      return state.wasReset;
    },
    send: (bytes) => void socket.write(bytes),
    async answers(count) {
      await waitFor(() => parseAnswers(received()).length >= count, {
        what: `${count} answers in ${JSON.stringify(received())}`,
      });
      return parseAnswers(received());
    },
    async closed() {
      await waitFor(() => state.isClosed, { what: 'the end of the connection' });
    },
  };
}

/** The whole answers with a content-length at the start of the text, `100 Continue` included. */
function parseAnswers(text: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let rest = text; ; ) {
    const headEnd = rest.indexOf('\r\n\r\n');
    if (headEnd < 0) return answers;
    const [statusLine = '', ...lines] = rest.slice(0, headEnd).split('\r\n');
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
      }),
    );
    const length = Number(headers.get('content-length') ?? 0);
    const bodyStart = headEnd + 4;
    if (rest.length < bodyStart + length) return answers;
    const body = rest.slice(bodyStart, bodyStart + length);
    answers.push({ status: Number(statusLine.split(' ')[1]), headers, body });
    rest = rest.slice(bodyStart + length);
  }
}
