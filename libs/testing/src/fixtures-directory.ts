import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fixturesSetting } from './config.ts';
import { repositoryRoot } from './repository-root.ts';

/** Why a test that replays recorded provider traffic is skipped. */
export const fixturesMissingMessage =
  'Recorded provider traffic is absent: set GATEWAY_FIXTURES to its directory.';

/**
 * The directory of recorded provider traffic: GATEWAY_FIXTURES, relative to the repository's root,
 * `../shared/fixtures` when unset. Undefined when there is none; skip with
 * `fixturesMissingMessage` then.
 */
export function fixturesDirectory(): string | undefined {
  const directory = resolve(repositoryRoot, fixturesSetting() ?? '../shared/fixtures');
  return existsSync(join(directory, 'index.json')) ? directory : undefined;
}
