/** A worker on the bus, as its `main.ts` would run it: `node worker-main.ts <provider>`. */
import { inferenceEndpoint } from '@gateway/protocol';
import { runOnNats } from '../src/nats/run-on-nats.ts';
import { attempted, HEAD } from './contract/sample-messages.ts';

const [, , provider = ''] = process.argv;

await runOnNats({
  name: 'provider-worker',
  hasSpool: true,
  readSettings: () => undefined,
  start: async (_settings, { bus }) => {
    const serving = await bus.serve(
      inferenceEndpoint(provider),
      async (call) => {
        call.accept();
        call.head(HEAD);
        await call.end(attempted(call.requestId, call.attempt));
      },
      { concurrencyMax: 10 },
    );
    return { [Symbol.asyncDispose]: () => serving.drain() };
  },
});
