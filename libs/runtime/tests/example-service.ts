/** A service as small as one can be, which behaves as `EXAMPLE_BEHAVIOUR` says. */
import { oneOf, parseSettings, runService, StartError, secret } from '../src/index.ts';

const BEHAVIOURS = [
  'drains',
  'never-drains',
  'drains-at-last',
  'fails-to-start',
  'is-refused',
  'never-starts',
  'throws',
  'rejects',
  'fails-to-drain',
] as const;

await runService({
  name: 'example',
  readSettings: (environment) =>
    parseSettings(
      {
        behaviour: oneOf('EXAMPLE_BEHAVIOUR', BEHAVIOURS, { description: 'what to do' }),
        key: secret('EXAMPLE_KEY', { description: 'the key' }),
      },
      environment,
    ),
  async start({ behaviour, key }, { logger, health, signal, drainEnding }) {
    logger.info({ key }, `the key is ${key.reveal()}`);
    health.register('bus', () => true);
    if (behaviour === 'fails-to-start') throw new Error(`no bus with ${key.reveal()}`);
    if (behaviour === 'is-refused') throw new StartError('the place is taken. Take another.');
    if (behaviour === 'never-starts') await new Promise(() => {});
    if (behaviour === 'throws')
      setImmediate(() => {
        throw new Error('thrown by nobody');
      });
    if (behaviour === 'rejects') void Promise.reject(new Error('rejected by nobody'));
    return {
      async [Symbol.asyncDispose]() {
        logger.info({ aborted: signal.aborted }, 'example drains');
        if (behaviour === 'never-drains') await new Promise(() => {});
        if (behaviour === 'drains-at-last') {
          await new Promise((resolve) => drainEnding.addEventListener('abort', resolve));
        }
        if (behaviour === 'fails-to-drain') throw new Error('could not drain');
      },
    };
  },
});
