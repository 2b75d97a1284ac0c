/** What both databases must do. Each part runs on a database of its own. */
import { describe } from 'vitest';
import { describeAbandoned } from './abandoned.contract.ts';
import { describeBatches } from './batch.contract.ts';
import type { DatabaseUnderTest } from './database-under-test.ts';
import { describeMerging } from './merging.contract.ts';
import { describeQueries } from './query.contract.ts';
import { describeRows } from './rows.contract.ts';
import { describeSchema } from './schema.contract.ts';

export function describeDatabase(name: string, under: DatabaseUnderTest): void {
  describe(name, () => {
    describeMerging(under);
    describeRows(under);
    describeBatches(under);
    describeAbandoned(under);
    describeQueries(under);
    describeSchema(under);
  });
}
