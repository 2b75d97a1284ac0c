import { describe, expect, test } from 'vitest';
import { AnswerBody } from './answer-body.ts';

const bytes = (text: string) => Buffer.from(text);

function open() {
  const told: string[] = [];
  const body = new AnswerBody({
    resume: () => void told.push('resume'),
    waiting: () => void told.push('waiting'),
    abandon: () => void told.push('abandon'),
  });
  const taken: string[] = [];
  const take = (piece: Uint8Array) => {
    taken.push(String(piece));
    return undefined;
  };
  return { body, told, taken, take };
}

describe('AnswerBody', () => {
  test('gives what came before the reader, and then the end', async () => {
    const { body, told, taken, take } = open();
    body.add(bytes('a'));
    body.add(bytes('b'));
    expect(body.heldBytes).toBe(2);
    body.end();
    await body.read(take);
    expect(taken).toEqual(['ab']);
    expect(told).toEqual(['resume']);
    expect(body.heldBytes).toBe(0);
  });

  test('joins what comes in one turn and says when the reader waits', async () => {
    const { body, told, taken, take } = open();
    const reading = body.read(take);
    body.add(bytes('a'));
    body.add(bytes('b'));
    await Promise.resolve();
    expect(taken).toEqual(['ab']);
    body.add(bytes('c'));
    body.end();
    await reading;
    expect(taken).toEqual(['ab', 'c']);
    expect(told).toEqual(['waiting', 'resume', 'waiting', 'resume']);
  });

  test('holds what comes while the reader takes', async () => {
    const { body, told, taken, take } = open();
    const { promise, resolve } = Promise.withResolvers<void>();
    const reading = body.read((piece) => {
      take(piece);
      return taken.length === 1 ? promise : undefined;
    });
    body.add(bytes('a'));
    await Promise.resolve();
    body.add(bytes('b'));
    body.add(bytes('c'));
    body.end();
    await Promise.resolve();
    expect(taken).toEqual(['a']);
    expect(body.heldBytes).toBe(2);
    expect(told).toEqual(['waiting', 'resume']);
    resolve();
    await reading;
    expect(taken).toEqual(['a', 'bc']);
  });

  test('breaks off after what had come', async () => {
    const { body, taken, take } = open();
    const reading = body.read(take);
    body.add(bytes('half'));
    body.fail(new Error('broken'));
    await expect(reading).rejects.toThrow('broken');
    expect(taken).toEqual(['half']);
  });

  test('is cut off at once, even while the reader takes', async () => {
    const { body, told } = open();
    const reading = body.read(() => new Promise(() => undefined));
    body.add(bytes('a'));
    await Promise.resolve();
    body.add(bytes('b'));
    body.cutOff(new Error('gone'));
    await expect(reading).rejects.toThrow('gone');
    expect(told).not.toContain('abandon');
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('no room');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no room'))],
  ])('is abandoned by a reader that %s', async (_how, take) => {
    const { body, told } = open();
    body.add(bytes('a'));
    await expect(body.read(take)).rejects.toThrow('no room');
    expect(told).toEqual(['resume', 'abandon']);
  });

  test('is abandoned by a reader that has enough, unless it is over', async () => {
    for (const isOver of [false, true]) {
      const { body, told } = open();
      body.add(bytes('a'));
      if (isOver) body.end();
      await body.read(() => {
        body.stop();
        return undefined;
      });
      expect(told).toEqual(isOver ? ['resume'] : ['resume', 'abandon']);
    }
  });

  test('is taken whole once its end has come, and not before', () => {
    const { body } = open();
    body.add(bytes('a'));
    body.add(bytes('b'));
    expect(body.takeWhole()).toBeUndefined();
    body.end();
    expect(String(body.takeWhole())).toBe('ab');
    expect(body.heldBytes).toBe(0);
  });

  test('that broke off is not taken whole', () => {
    const { body } = open();
    body.add(bytes('a'));
    body.fail(new Error('broken'));
    expect(body.takeWhole()).toBeUndefined();
  });
});
