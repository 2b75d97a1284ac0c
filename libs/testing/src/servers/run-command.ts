import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
const ERROR_LINES_MAX = 3;

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly cwd?: string;
  readonly env?: Record<string, string>;
}

/** Runs a command to its end and gives its output. Throws with the last lines of its errors. */
export async function runCommand(
  command: string,
  commandArguments: readonly string[],
  options: CommandOptions,
): Promise<string> {
  try {
    const { stdout } = await run(command, commandArguments, {
      cwd: options.cwd,
      env: options.env,
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: OUTPUT_BYTES_MAX,
    });
    return stdout;
  } catch (error) {
    const { stderr = '', killed = false } = error as { stderr?: string; killed?: boolean };
    const reason = killed ? `no end within ${options.timeoutMs} ms` : lastLines(stderr);
    throw new Error(`${command} ${commandArguments.at(0) ?? ''} failed: ${reason}`, {
      cause: error,
    });
  }
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-ERROR_LINES_MAX).join(' | ') || 'no error output';
}
