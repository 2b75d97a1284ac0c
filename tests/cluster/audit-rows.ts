/** The audit as PostgreSQL has it, past every service. */
import { Client } from 'pg';

const TIMEOUT_MS = 5_000;

export interface AttemptOnRow {
  readonly attempt: number;
  readonly provider: string;
  readonly model: string;
  readonly upstream_status: number | null;
  readonly error_code: string | null;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly usage_source: 'provider' | 'estimated' | 'none' | 'unknown';
}

/** A row of the view `audit`; sums are numbers here. */
export interface LedgerRow {
  readonly request_id: string;
  readonly key_id: string;
  readonly endpoint: string;
  readonly model: string;
  readonly status: number | null;
  readonly ended: string | null;
  readonly error_code: string | null;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly attempts: number;
  readonly attempt_details: readonly AttemptOnRow[];
  readonly cache: string | null;
  readonly assumed: boolean;
  readonly config_revision: string;
}

/** Runs one statement on a connection of its own. Rejects while PostgreSQL does not answer. */
export async function runSql<Row extends object = Record<string, unknown>>(
  url: string,
  statement: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  });
  // What happens to the connection between two steps is told by the next step.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query(statement, [...values])).rows as Row[];
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Every row of the audit, or those of the given requests, oldest first. */
export async function readRows(url: string, requestIds?: readonly string[]): Promise<LedgerRow[]> {
  const where = requestIds === undefined ? '' : 'WHERE request_id = ANY($1::uuid[])';
  const values = requestIds === undefined ? [] : [requestIds];
  const rows = await runSql<LedgerRow>(
    url,
    `SELECT * FROM audit ${where} ORDER BY request_id`,
    values,
  );
  // A bigint is read as a text.
  return rows.map((row) => ({
    ...row,
    input_tokens: Number(row.input_tokens),
    output_tokens: Number(row.output_tokens),
  }));
}
