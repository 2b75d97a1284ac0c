import { parseSettings } from './settings.ts';
import { type Environment, integer, text } from './settings-fields.ts';

export type SpoolSettings = ReturnType<typeof readSpoolSettings>;

const MEBIBYTE = 1024 * 1024;

/** Where a service that records events keeps them while JetStream takes none. */
export function readSpoolSettings(environment: Environment) {
  return parseSettings(
    {
      directory: text('GATEWAY_SPOOL_DIR', {
        default: '.data/spool',
        description: 'where events wait on disk while JetStream takes none',
      }),
      bytesMax: integer('GATEWAY_SPOOL_MAX_BYTES', {
        default: 64 * MEBIBYTE,
        min: MEBIBYTE,
        max: 64 * 1024 * MEBIBYTE,
        description: 'the most bytes of events that a process keeps there',
      }),
    },
    environment,
  );
}
