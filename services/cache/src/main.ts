import { connectNatsBus } from '@gateway/bus';
import { runService } from '@gateway/runtime';
import { startCache } from './cache.ts';
import { readSettings } from './config.ts';

await runService({
  name: 'cache',
  readSettings,
  start: async ({ nats: { url, user, password }, cache }, context) => {
    await using resources = new AsyncDisposableStack();
    const bus = resources.use(
      await connectNatsBus({
        url,
        ...(user !== undefined && { user }),
        ...(password && { password: password.reveal() }),
        identity: { service: 'cache', instance: context.instance },
        logger: context.logger,
      }),
    );
    resources.use(await startCache(cache, { ...context, bus }));
    return resources.move();
  },
});
