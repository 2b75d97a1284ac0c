import { runOnNats } from '@gateway/bus';
import { startAuditWriter } from './audit-writer.ts';
import { readSettings } from './config.ts';

await runOnNats({ name: 'audit-writer', hasSpool: true, readSettings, start: startAuditWriter });
