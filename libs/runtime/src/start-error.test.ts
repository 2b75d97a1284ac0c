import { describe, expect, test } from 'vitest';
import { listenError, StartError } from './start-error.ts';

const ADDRESS = { host: '::1', port: 80, hostSetting: 'THE_HOST', portSetting: 'THE_PORT' };
const withCode = (code: string) => Object.assign(new Error('listen'), { code });

describe('listenError', () => {
  test.each([
    [
      'EADDRINUSE',
      '[::1]:80 is in use, perhaps by another gateway. ' +
        'Stop what uses it, or set THE_PORT to another port.',
    ],
    ['EACCES', 'this user may not listen on [::1]:80. Set THE_PORT to another port.'],
    ['EADDRNOTAVAIL', '::1 is no address of this machine. Set THE_HOST to one that is.'],
    ['ENOTFOUND', '::1 is no address of this machine. Set THE_HOST to one that is.'],
  ])('says of %s what to do', (code, message) => {
    expect(listenError(withCode(code), ADDRESS)).toEqual(new StartError(message));
  });

  test('leaves another error as it is', () => {
    const error = withCode('EMFILE');
    expect(listenError(error, ADDRESS)).toBe(error);
    expect(listenError('text', ADDRESS)).toBe('text');
  });
});
