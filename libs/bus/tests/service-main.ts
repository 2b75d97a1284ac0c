/** A service on the bus, as its `main.ts` would run it. It records an event at each SIGHUP. */
import { runOnNats } from '../src/nats/run-on-nats.ts';
import { controlEvent } from './contract/sample-messages.ts';

await runOnNats({
  name: 'ingress',
  hasSpool: true,
  readSettings: () => undefined,
  start: async (_settings, { bus, health, logger }) => {
    process.on('SIGHUP', async () => {
      const event = controlEvent();
      await bus.record(event);
      logger.info({ id: event.changeId }, 'recorded');
    });
    const check = health.register('bus', () => bus.outage ?? true);
    return {
      async [Symbol.asyncDispose]() {
        check[Symbol.dispose]();
      },
    };
  },
});
