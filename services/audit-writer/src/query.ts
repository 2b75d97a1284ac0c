import {
  type AuditPage,
  type AuditQuery,
  type AuditRow,
  GatewayError,
  MESSAGE_BYTES_MAX,
} from '@gateway/protocol';
import type { Database } from './database.ts';

/** What a page takes beside its rows. */
const WRAPPER_BYTES = 4 * 1024;
const PAGE_BYTES_MAX = MESSAGE_BYTES_MAX - WRAPPER_BYTES;

const CURSOR_BYTES = 16;

/**
 * A page of the audit, newest first. It may hold fewer rows than asked for when they are large;
 * `next_cursor` is null only at the end. Throws `invalid_request` for a cursor that is not ours and
 * `audit_unavailable` when the database does not answer.
 */
export async function queryAudit(database: Database, query: AuditQuery): Promise<AuditPage> {
  const { sql, parameters } = statementOf(query);
  const found = await database.query(sql, parameters).catch((error: unknown) => {
    throw auditUnavailable(error);
  });
  const data: AuditRow[] = [];
  let bytes = 0;
  for (const { row } of found.slice(0, query.limit)) {
    const text = String(row);
    bytes += Buffer.byteLength(text) + 1;
    if (bytes > PAGE_BYTES_MAX && data.length > 0) break;
    data.push(JSON.parse(text));
  }
  const last = data.at(-1);
  const isEnd = last === undefined || data.length === found.length;
  return { data, next_cursor: isEnd ? null : cursorOf(last.request_id) };
}

export function auditUnavailable(cause: unknown): GatewayError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new GatewayError('audit_unavailable', 'The audit cannot be read at the moment.', {
    detail,
    cause,
  });
}

/** One row more than asked for tells whether there is a next page. */
function statementOf(query: AuditQuery): { sql: string; parameters: unknown[] } {
  const parameters: unknown[] = [query.limit + 1];
  const conditions: string[] = [];
  const add = (condition: string, value: unknown) => {
    if (value === undefined) return;
    parameters.push(value);
    conditions.push(`${condition} $${parameters.length}`);
  };
  add('request_id <', query.cursor === undefined ? undefined : requestIdOf(query.cursor));
  add('key_id =', query.keyId);
  add('tenant =', query.tenant);
  add('status =', query.status);
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  const sql = `
    SELECT row_to_json(page)::text AS row FROM (
      SELECT request_id, to_char("time" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS time,
        tenant, key_id, endpoint, method, model, provider, provider_model, stream, status, ended,
        error_code, input_tokens, output_tokens, cached_tokens, reasoning_tokens, saved_tokens,
        cost_micro_usd, price_date, latency_ms, time_to_first_token_ms, response_bytes, attempts,
        attempt_details, cache, client_ip, user_agent, trace_id, config_revision, assumed,
        refusals
      FROM audit ${where} ORDER BY request_id DESC LIMIT $1
    ) page`;
  return { sql, parameters };
}

/** The id of the last row, so that a page continues there whatever was written meanwhile. */
export function cursorOf(requestId: string): string {
  return Buffer.from(requestId.replaceAll('-', ''), 'hex').toString('base64url');
}

function requestIdOf(cursor: string): string {
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes.length !== CURSOR_BYTES || bytes.toString('base64url') !== cursor) {
    const message = "Invalid 'cursor': expected the next_cursor of an earlier page.";
    throw new GatewayError('invalid_request', message, {
      param: 'cursor',
      reason: 'invalid_value',
    });
  }
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
