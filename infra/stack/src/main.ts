/** `npm run stack`: the five services on real servers, until Ctrl-C. */
import { once } from 'node:events';
import { SettingsError } from '@gateway/runtime';
import { MissingServerError, repositoryRoot } from '@gateway/testing';
import { inheritedEnvironment, readSettings } from './config.ts';
import { startStack } from './stack.ts';

const EXIT_WRONG_SETTINGS = 78;
const report = (text: string) => void process.stdout.write(`${text}\n`);

try {
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const environment = inheritedEnvironment();
  const settings = readSettings(environment, repositoryRoot);
  await using stack = await startStack({ ...settings, root: repositoryRoot, environment, report });
  report(`
The gateway answers at ${stack.baseUrl}
  client key  ${stack.clientKey}
  admin key   ${stack.adminKey}
Logs, data and secrets are in ${settings.directory}. Ctrl-C stops everything.

  curl ${stack.baseUrl}/v1/chat/completions \\
    -H 'authorization: Bearer ${stack.clientKey}' -H 'content-type: application/json' \\
    -d '{"model":"demo","messages":[{"role":"user","content":"Hello"}]}'
`);
  await stopped;
  report('stopping');
} catch (error) {
  if (!(error instanceof SettingsError || error instanceof MissingServerError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error instanceof SettingsError ? EXIT_WRONG_SETTINGS : 1;
}
