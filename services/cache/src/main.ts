import { runOnNats } from '@gateway/bus';
import { startCache } from './cache.ts';
import { readSettings } from './config.ts';

await runOnNats({ name: 'cache', readSettings, start: startCache });
