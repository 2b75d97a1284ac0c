import { runService } from '@gateway/runtime';
import { shrinkHeap } from '@gateway/runtime/shrink-heap';
import { startAllInOne } from './all-in-one.ts';
import { readSettings } from './config.ts';
import { greeting } from './greeting.ts';

await runService({
  name: 'all-in-one',
  readSettings,
  start: async (settings, context) => {
    const gateway = await startAllInOne(settings, context);
    await shrinkHeap();
    process.stdout.write(greeting(gateway));
    return gateway;
  },
});
