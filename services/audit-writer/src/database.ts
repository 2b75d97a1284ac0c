/**
 * What the audit-writer needs of a database. PostgreSQL and PGlite implement it, and one suite
 * checks both (`tests/database.contract.ts`).
 */
export type Row = Readonly<Record<string, unknown>>;

/** How numbers, dates and JSON come back differs between drivers: select them as text. */
export interface Connection {
  query(sql: string, parameters?: readonly unknown[]): Promise<readonly Row[]>;
  /** Several statements without parameters; may take minutes where the session lets it. */
  script(sql: string): Promise<void>;
}

export interface SqlStatement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

export interface CopyStatement {
  /** The table, and the columns in parentheses. */
  readonly copyInto: string;
  /** Rows in the binary form of COPY. They can be written once: the database takes the memory. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A step of a transaction that is known whole before it begins. */
export type Statement = SqlStatement | CopyStatement;

export interface Database extends Connection {
  /** Does all in one transaction, in as few messages as there can be. Copies come first. */
  write(statements: readonly Statement[]): Promise<void>;
  /** Commits when `work` resolves, else rolls back and throws what it threw. */
  transaction<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

/** A statement that takes longer is given up; PGlite knows no timeouts. */
export const STATEMENT_TIMEOUT_MS = 5_000;
/** Queries that wait for PGlite, which does one at a time; one more is refused. */
export const WAITING_MAX = 64;

/** The database could not be asked, or did not answer. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable';
}

/**
 * - `data`: what was to be stored is at fault; the same will fail again.
 * - `slow`: given up after the statement timeout; less at once may do.
 * - `unavailable`: anything else; the same may do later.
 */
export type DatabaseFailure = 'data' | 'slow' | 'unavailable';

const QUERY_CANCELED = '57014';
const UNIQUE_VIOLATION = '23505';
/**
 * Classes of SQLSTATE that speak of the values: cardinality, data, integrity, program limits.
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const DATA_CLASSES: ReadonlySet<string> = new Set(['21', '22', '23', '54']);

export function failureOf(thrown: unknown): DatabaseFailure {
  const state = sqlState(thrown);
  if (state === QUERY_CANCELED) return 'slow';
  return state !== undefined && DATA_CLASSES.has(state.slice(0, 2)) ? 'data' : 'unavailable';
}

/** A row that was said to be new is there already. */
export function isDuplicate(thrown: unknown): boolean {
  return sqlState(thrown) === UNIQUE_VIOLATION;
}

/** The SQLSTATE of an error that the database itself answered with. */
export function sqlState(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown) || !('severity' in thrown))
    return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}
