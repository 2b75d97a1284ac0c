import { runOnNats } from '@gateway/bus';
import { readSettings } from './config.ts';
import { startRateLimiter } from './rate-limiter.ts';

await runOnNats({ name: 'rate-limiter', readSettings, start: startRateLimiter });
