import { runOnNats } from '@gateway/bus';
import { readSettings } from './config.ts';
import { startIngress } from './ingress.ts';

await runOnNats({ name: 'ingress', hasSpool: true, readSettings, start: startIngress });
