import { join } from 'node:path';

/** The absolute path of the repository's root, without a trailing slash. */
export const repositoryRoot: string = join(import.meta.dirname, '../../..');
