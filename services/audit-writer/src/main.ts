import { connectNatsBus } from '@gateway/bus';
import { runService } from '@gateway/runtime';
import { startAuditWriter } from './audit-writer.ts';
import { readSettings } from './config.ts';

await runService({
  name: 'audit-writer',
  readSettings,
  start: async ({ nats: { url, user, password }, audit }, context) => {
    await using resources = new AsyncDisposableStack();
    const bus = resources.use(
      await connectNatsBus({
        url,
        ...(user !== undefined && { user }),
        ...(password && { password: password.reveal() }),
        identity: { service: 'audit-writer', instance: context.instance },
        logger: context.logger,
      }),
    );
    resources.use(await startAuditWriter(audit, { ...context, bus }));
    return resources.move();
  },
});
