import { inheritedEnvironment } from '../config.ts';
import { ask } from './ask.ts';
import { inServerDirectory, type ServerOptions } from './server-directory.ts';
import { onPort, type RunningServer, startServerProcess } from './server-process.ts';
import { findServerProgram } from './server-programs.ts';

/**
 * Starts Redis (or Valkey) on loopback with an append-only file, so that what was acknowledged
 * survives SIGKILL. Throws `MissingServerError`.
 */
export async function startRedis(options: ServerOptions = {}): Promise<RunningServer> {
  const program = await findServerProgram('redis-server');
  return inServerDirectory('redis', options, (directory) =>
    onPort(options.port, (port) =>
      startServerProcess({
        ...directory,
        name: 'redis-server',
        url: `redis://127.0.0.1:${port}`,
        port,
        command: program.command,
        commandArguments: [
          ...['--bind', '127.0.0.1', '--port', String(port), '--dir', directory.dataDirectory],
          // With `no` a write is in the file before its answer and only a power cut loses it. With
          // `everysec` Redis may hold writes back while a sync is slow (its flushAppendOnlyFile).
          ...['--save', '', '--appendonly', 'yes', '--appendfsync', 'no'],
        ],
        environment: { ...inheritedEnvironment(), ...program.environment },
        stopSignal: 'SIGTERM',
        isReady: async (pid) => {
          // INFO is answered while the data is still being loaded, and it alone.
          const question = 'INFO server\r\nINFO persistence\r\n';
          const answer = await ask(port, question, /\nloading:\d\r|^-/);
          return answer.includes(`process_id:${pid}\r`) && answer.includes('\nloading:0\r');
        },
      }),
    ),
  );
}
