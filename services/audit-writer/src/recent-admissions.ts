import type { Database } from './database.ts';
import { leastRequestId } from './partitions.ts';

export const ADMISSIONS_MAX = 100_000;

/** A request that the limiter counted. */
export interface Admission {
  readonly requestId: string;
  readonly keyId: string;
  /** When it was received, in milliseconds since 1970. */
  readonly at: number;
}

/**
 * The requests since a time (milliseconds since 1970) that reached the limiter and were not refused
 * by it, newest first: what an in-memory limiter reloads at its start. At most `ADMISSIONS_MAX`.
 */
export async function recentAdmissions(
  database: Database,
  sinceMs: number,
): Promise<readonly Admission[]> {
  // A provider's 429 has the same status as the limiter's; the code tells them apart.
  const rows = await database.query(
    `SELECT request_id::text, key_id, (extract(epoch FROM "time") * 1000)::bigint::text AS at
     FROM requests
     WHERE request_id >= $1 AND deadline_at IS NOT NULL
       AND (error_code IS NULL
         OR error_code NOT IN ('rate_limited', 'quota_exhausted', 'limiter_unavailable'))
     ORDER BY request_id DESC LIMIT ${ADMISSIONS_MAX}`,
    [leastRequestId(sinceMs)],
  );
  return rows.map((row) => ({
    requestId: String(row.request_id),
    keyId: String(row.key_id),
    at: Number(row.at),
  }));
}
