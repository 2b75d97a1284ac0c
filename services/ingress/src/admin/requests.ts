import type { Bus } from '@gateway/bus';
import { AUDIT_PAGE_ROWS_MAX, auditQueryEndpoint } from '@gateway/protocol';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { checked } from './parse-admin-body.ts';

const QUERY_TIMEOUT_MS = 10_000;
const PAGE_ROWS = 50;

const requestsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(AUDIT_PAGE_ROWS_MAX).default(PAGE_ROWS),
  cursor: z.string().min(1).max(128).optional(),
  key: z.string().min(1).max(64).optional(),
  tenant: z.string().min(1).max(64).optional(),
  status: z.coerce.number().int().min(100).max(599).optional(),
});

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
