/** Finds or fetches every server that the tests need, before the first of them waits for one. */
import { MissingServerError } from './missing-server-error.ts';
import { findServerProgram, type ServerKind } from './server-programs.ts';

const kinds: readonly ServerKind[] = ['nats-server', 'redis-server', 'postgres'];

const results = await Promise.allSettled(
  kinds.map(async (kind) => {
    const { version, command, fetched } = await findServerProgram(kind);
    return `${kind} ${version} ${fetched ? 'from Debian packages' : `found at ${command}`}\n`;
  }),
);
for (const result of results) {
  if (result.status === 'fulfilled') {
    process.stdout.write(result.value);
  } else {
    const { reason } = result;
    if (!(reason instanceof MissingServerError)) throw reason;
    process.stderr.write(`${reason.message}\n`);
    process.exitCode = 1;
  }
}
