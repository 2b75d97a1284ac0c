/** Creates, or brings up to date, the stream, the consumers and the buckets; then ends. */
import { provisionNats } from '@gateway/bus';
import { SettingsError } from '@gateway/runtime';
import { readSettings } from './config.ts';

const EXIT_WRONG_SETTINGS = 78;

try {
  const { url, user, password } = readSettings(process.env);
  await provisionNats({
    url,
    ...(user !== undefined && { user }),
    ...(password && { password: password.reveal() }),
  });
  process.stdout.write('streams, consumers and buckets are there\n');
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof SettingsError ? EXIT_WRONG_SETTINGS : 1;
}
