import { connect } from 'node:net';

const ANSWER_TIMEOUT_MS = 2_000;
const ANSWER_BYTES_MAX = 64 * 1024;

/**
 * Dials a loopback port, sends a question when there is one, and gives what came back as soon as
 * it matches. Rejects when it does not within two seconds.
 */
export function ask(port: number, question: string | undefined, answer: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => {
      if (question !== undefined) socket.write(question);
    });
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.setEncoding('utf8');
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => fail(new Error(`port ${port} is silent`)));
    socket.once('error', fail);
    socket.once('close', () => reject(new Error(`port ${port} closed the connection`)));
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (answer.test(text)) {
        socket.destroy();
        resolve(text);
      } else if (text.length > ANSWER_BYTES_MAX) {
        fail(new Error(`port ${port} answered something else`));
      }
    });
  });
}
