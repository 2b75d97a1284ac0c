/** The driver as a process of its own: reads a load as JSON, prints its result as one line of JSON. */
import { readFileSync } from 'node:fs';
import { drive } from './drive.ts';

const load = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'));
const result = await drive(load);
process.stdout.write(`${JSON.stringify(result)}\n`);
