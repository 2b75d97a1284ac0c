import { runOnNats } from '@gateway/bus';
import { readSettings } from './config.ts';
import { startProviderWorker } from './provider-worker.ts';

await runOnNats({
  name: 'provider-worker',
  hasSpool: true,
  readSettings,
  start: startProviderWorker,
});
