import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { inheritedEnvironment } from '../config.ts';
import { ask } from './ask.ts';
import { inServerDirectory, type ServerOptions } from './server-directory.ts';
import { onPort, type RunningServer, startServerProcess } from './server-process.ts';
import { findServerProgram } from './server-programs.ts';

export interface NatsOptions extends ServerOptions {
  /** A configuration file. Address, port and JetStream's directory are set over it. */
  readonly configFile?: string;
  /** The text of a configuration, instead of a file. */
  readonly config?: string;
  /** Variables that the configuration refers to. */
  readonly environment?: Readonly<Record<string, string>>;
}

async function configurationFile(options: NatsOptions, directory: string): Promise<string[]> {
  if (options.configFile !== undefined) return ['--config', resolve(options.configFile)];
  if (options.config === undefined) return [];
  const file = join(directory, 'nats-server.conf');
  await writeFile(file, options.config);
  return ['--config', file];
}

/** Starts nats-server 2.12 or newer with JetStream on loopback. Throws `MissingServerError`. */
export async function startNats(options: NatsOptions = {}): Promise<RunningServer> {
  const program = await findServerProgram('nats-server');
  // The name tells this server from another one on the port.
  const name = `gateway-${randomUUID()}`;
  return inServerDirectory('nats', options, async (directory) => {
    const configuration = await configurationFile(options, directory.directory);
    return onPort(options.port, (port) =>
      startServerProcess({
        ...directory,
        name: 'nats-server',
        url: `nats://127.0.0.1:${port}`,
        port,
        command: program.command,
        commandArguments: [
          ...configuration,
          ...['--addr', '127.0.0.1', '--port', String(port), '--server_name', name],
          ...['--jetstream', '--store_dir', directory.dataDirectory],
        ],
        environment: {
          ...inheritedEnvironment(),
          ...program.environment,
          ...options.environment,
        },
        stopSignal: 'SIGTERM',
        isReady: async () => (await ask(port, undefined, /^INFO .*\r\n/)).includes(name),
      }),
    );
  });
}
