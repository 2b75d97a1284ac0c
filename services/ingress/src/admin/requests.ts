import type { Bus } from '@gateway/bus';
import { AUDIT_PAGE_ROWS_MAX, auditQueryEndpoint } from '@gateway/protocol';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { checked } from './parse-admin-body.ts';

const QUERY_TIMEOUT_MS = 10_000;
const PAGE_ROWS = 50;

const requestsQuery = z.strictObject({
  limit: wholeNumber(1, AUDIT_PAGE_ROWS_MAX).default(PAGE_ROWS),
  cursor: shortText('the next_cursor of an earlier page', 128).optional(),
  key: shortText('the id of one key, 1 to 64 characters', 64).optional(),
  tenant: shortText('the name of one tenant, 1 to 64 characters', 64).optional(),
  status: wholeNumber(100, 599).optional(),
});

/** A parameter that is given twice is a list, which is neither. */
function wholeNumber(min: number, max: number) {
  const error = `expected one whole number from ${min} to ${max}`;
  return z
    .string({ error })
    .regex(/^\d{1,9}$/, { error })
    .transform(Number)
    .pipe(z.number().min(min, { error }).max(max, { error }));
}

function shortText(what: string, charactersMax: number) {
  const error = `expected ${what}`;
  return z.string({ error }).min(1, { error }).max(charactersMax, { error });
}

/** The audit, newest first. */
export function adminRequests(app: FastifyInstance, bus: Bus): void {
  app.get('/admin/v1/requests', { config: { access: 'admin' } }, async (request) => {
    const { limit, cursor, key, tenant, status } = checked(requestsQuery, request.query);
    const query = {
      limit,
      ...(cursor !== undefined && { cursor }),
      ...(key !== undefined && { keyId: key }),
      ...(tenant !== undefined && { tenant }),
      ...(status !== undefined && { status }),
    };
    const options = { timeoutMs: QUERY_TIMEOUT_MS };
    return (await bus.request(auditQueryEndpoint, { value: query }, options)).value;
  });
}
