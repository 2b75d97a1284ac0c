import { connectNatsBus } from '@gateway/bus';
import { runService } from '@gateway/runtime';
import { readSettings } from './config.ts';
import { startRateLimiter } from './rate-limiter.ts';

await runService({
  name: 'rate-limiter',
  readSettings,
  start: async ({ nats: { url, user, password }, limiter }, context) => {
    await using resources = new AsyncDisposableStack();
    const bus = resources.use(
      await connectNatsBus({
        url,
        ...(user !== undefined && { user }),
        ...(password && { password: password.reveal() }),
        identity: { service: 'rate-limiter', instance: context.instance },
        logger: context.logger,
      }),
    );
    resources.use(await startRateLimiter(limiter, { ...context, bus }));
    return resources.move();
  },
});
