/** The only reader of the environment here. */
import { join } from 'node:path';
import { type Environment, parseSettings, port, text } from '@gateway/runtime';

const OPERATIONS_PORT = 9464;

/** Settings of the runner itself; everything else in the environment is handed to the services. */
export function readSettings(environment: Environment, root: string) {
  return parseSettings(
    {
      directory: text('GATEWAY_DATA_DIR', {
        default: join(root, '.data', 'stack'),
        description: 'where the servers keep their data, and the logs and secrets are',
      }),
      httpPort: port('GATEWAY_PORT', { default: 8080, description: 'the port of the ingress' }),
      operationsPort: port('GATEWAY_METRICS_PORT', {
        default: OPERATIONS_PORT,
        description: 'the operations port of the first service; the others follow it',
      }),
    },
    environment,
  );
}

/** The environment of this process without what is unset. */
export function inheritedEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return Object.fromEntries(entries);
}
