/** `npm run stack`: the five services on real servers, until Ctrl-C. */
import { SettingsError, StartError } from '@gateway/runtime';
import { MissingServerError, repositoryRoot } from '@gateway/testing';
import { inheritedEnvironment, readSettings } from './config.ts';
import { startStack } from './stack.ts';

const EXIT_WRONG_SETTINGS = 78;
const report = (text: string) => void process.stdout.write(`${text}\n`);

function fail(message: string, exitCode = 1): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = exitCode;
}

const stopping = new AbortController();
const stopped = Promise.withResolvers<void>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    stopping.abort();
    stopped.resolve();
  });
}

try {
  const environment = inheritedEnvironment();
  const settings = readSettings(environment, repositoryRoot);
  await using stack = await startStack({
    ...settings,
    root: repositoryRoot,
    environment,
    report,
    signal: stopping.signal,
  });
  report(`
The gateway answers at ${stack.baseUrl}
  client key  ${stack.clientKey}
  admin key   ${stack.adminKey}
Logs, data and secrets are in ${settings.directory}. Ctrl-C stops everything.

  curl ${stack.baseUrl}/v1/chat/completions \\
    -H 'authorization: Bearer ${stack.clientKey}' -H 'content-type: application/json' \\
    -d '{"model":"demo","messages":[{"role":"user","content":"Hello"}]}'
`);
  await stopped.promise;
  report('stopping');
} catch (error) {
  if (stopping.signal.aborted) {
    report('stopped before the start was complete');
  } else if (error instanceof SettingsError) {
    fail(error.message, EXIT_WRONG_SETTINGS);
  } else if (error instanceof StartError) {
    fail(`stack cannot start: ${error.message}`);
  } else if (error instanceof MissingServerError) {
    fail(error.message);
  } else {
    throw error;
  }
}
