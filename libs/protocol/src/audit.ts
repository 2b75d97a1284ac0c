/** The audit as it is read: one row for each request. */
import { z } from 'zod';
import type { Endpoint } from './endpoints.ts';
import { subjects } from './subjects.ts';

export const AUDIT_PAGE_ROWS_MAX = 200;

export const auditAttempt = z.object({
  attempt: z.number().int(),
  time: z.iso.datetime(),
  provider: z.string(),
  model: z.string(),
  upstream_status: z.number().int().nullable(),
  error_code: z.string().nullable(),
  input_tokens: z.number().int(),
  output_tokens: z.number().int(),
  usage_source: z.string(),
  latency_ms: z.number(),
  /** True where it was written on behalf of a process that died. */
  assumed: z.boolean().default(false),
});

export const auditRow = z.object({
  request_id: z.uuid(),
  time: z.iso.datetime(),
  tenant: z.string(),
  key_id: z.string(),
  endpoint: z.string(),
  method: z.string(),
  /** The model as the client named it. */
  model: z.string(),
  provider: z.string().nullable(),
  /** The provider's name of the model that answered. */
  provider_model: z.string().nullable(),
  stream: z.boolean(),
  /** Null while the request runs. */
  status: z.number().int().nullable(),
  ended: z.string().nullable(),
  error_code: z.string().nullable(),
  input_tokens: z.number().int(),
  output_tokens: z.number().int(),
  cached_tokens: z.number().int(),
  reasoning_tokens: z.number().int(),
  /** What a cache hit did not spend. */
  saved_tokens: z.number().int(),
  /** In millionths of a US dollar; null when no price is known. */
  cost_micro_usd: z.number().int().nullable(),
  /** The date of the price list that the cost was computed with. */
  price_date: z.iso.date().nullable(),
  latency_ms: z.number().nullable(),
  time_to_first_token_ms: z.number().nullable(),
  response_bytes: z.number().int().nullable(),
  attempts: z.number().int(),
  attempt_details: z.array(auditAttempt),
  cache: z.string().nullable(),
  client_ip: z.string(),
  user_agent: z.string(),
  trace_id: z.string().nullable(),
  config_revision: z.string(),
  /** True where a process died and part of the row is what we assume. */
  assumed: z.boolean(),
  /** How many refusals without a valid key a summary stands for; null for the row of one request. */
  refusals: z.number().int().positive().nullable().default(null),
});

export const auditQuery = z.object({
  limit: z.number().int().min(1).max(AUDIT_PAGE_ROWS_MAX),
  /** `next_cursor` of the page before. */
  cursor: z.string().max(128).optional(),
  keyId: z.string().max(64).optional(),
  tenant: z.string().max(64).optional(),
  status: z.number().int().min(100).max(599).optional(),
});

export const auditPage = z.object({
  /** Newest first. */
  data: z.array(auditRow),
  next_cursor: z.string().nullable(),
});

export type AuditAttempt = z.infer<typeof auditAttempt>;
export type AuditRow = z.infer<typeof auditRow>;
export type AuditQuery = z.infer<typeof auditQuery>;
export type AuditPage = z.infer<typeof auditPage>;

export const auditQueryEndpoint: Endpoint<AuditQuery, AuditPage> = {
  template: subjects.auditQuery,
  subject: subjects.auditQuery,
  queueGroup: 'audit-writer',
  request: auditQuery,
  reply: auditPage,
};
