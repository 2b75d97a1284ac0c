/** The admin API of keys. The text of a key is in the answer that creates it and nowhere else. */
import { randomUUID } from 'node:crypto';
import {
  type ControlEvent,
  concurrency,
  EVENT_SCHEMA,
  GatewayError,
  KEY_SCHEMA,
  type KeyRecord,
  keyRecord,
  newKey,
} from '@gateway/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { BOOTSTRAP_TENANT, type KeyDirectory } from '../key-directory.ts';
import type { Ledger } from '../ledger.ts';
import { checked, parseAdminBody } from './parse-admin-body.ts';

const KEYS_MAX = 100_000;
const BODY_BYTES_MAX = 64 * 1024;
const EXPIRY_ERROR = 'expected a time to come in UTC, such as 2099-12-31T00:00:00Z';
const noParameters = z.strictObject({});

const newKeyBody = z.strictObject({
  name: keyRecord.shape.name.min(1),
  tenant: keyRecord.shape.tenant.default(BOOTSTRAP_TENANT),
  role: keyRecord.shape.role.default('client'),
  expires_at: z.iso
    .datetime({ error: EXPIRY_ERROR })
    .refine((time) => Date.parse(time) > Date.now(), { error: EXPIRY_ERROR })
    .optional(),
  limit: z
    .strictObject({
      requests: z.number().int().min(1).max(1_000_000_000),
      window_seconds: z
        .number()
        .int()
        .min(1)
        .max(31 * 24 * 60 * 60),
    })
    .optional(),
  concurrency: concurrency.optional(),
  models: keyRecord.shape.models,
});

export function adminKeys(app: FastifyInstance, keys: KeyDirectory, ledger: Ledger): void {
  const options = {
    config: { access: 'admin' },
    preHandler: async (request: FastifyRequest) => void checked(noParameters, request.query),
  } as const;
  app.post('/admin/v1/keys', { ...options, bodyLimit: BODY_BYTES_MAX }, async (request, reply) => {
    const body = parseAdminBody(newKeyBody, request.body);
    if (keys.list().length >= KEYS_MAX) {
      throw new GatewayError('invalid_request', `There are ${KEYS_MAX} keys already.`);
    }
    const { id, text } = newKey();
    const record: KeyRecord = {
      schema: KEY_SCHEMA,
      id,
      tenant: body.tenant,
      name: body.name,
      role: body.role,
      digest: keys.digest(text),
      createdAt: new Date().toISOString(),
      ...(body.expires_at !== undefined && { expiresAt: body.expires_at }),
      ...(body.limit && {
        limit: { requests: body.limit.requests, windowSeconds: body.limit.window_seconds },
      }),
      ...(body.concurrency !== undefined && { concurrency: body.concurrency }),
      ...(body.models && { models: body.models }),
    };
    await ledger.record(changeOf('key.created', record, request.key?.id));
    await keys.put(record);
    return reply.code(201).send({ ...toJson(record), key: text });
  });

  app.get('/admin/v1/keys', options, async () => ({
    data: keys.list().toSorted(byCreation).map(toJson),
  }));

  app.delete<{ Params: { id: string } }>('/admin/v1/keys/:id', options, async (request) => {
    const record = keys.get(request.params.id);
    if (!record) throw new GatewayError('not_found', 'There is no such key.', { param: 'id' });
    if (keys.isBootstrap(record.id)) {
      throw new GatewayError('invalid_request', 'This key is revoked by changing the settings.', {
        param: 'id',
      });
    }
    const revoked = { ...record, revokedAt: record.revokedAt ?? new Date().toISOString() };
    // First in force, then on record: a leaked key must not live on because the audit is down.
    await keys.put(revoked);
    await ledger.record(changeOf('key.revoked', revoked, request.key?.id));
    return toJson(revoked);
  });
}

function byCreation(one: KeyRecord, other: KeyRecord): number {
  return Date.parse(one.createdAt) - Date.parse(other.createdAt);
}

function changeOf(
  action: ControlEvent['action'],
  key: KeyRecord,
  actorKeyId: string | undefined,
): ControlEvent {
  return {
    kind: 'control',
    schema: EVENT_SCHEMA,
    changeId: randomUUID(),
    at: Date.now(),
    actorKeyId: actorKeyId ?? '',
    action,
    key,
  };
}

/** What may be shown of a key: neither its text, which nobody has, nor its digest. */
function toJson(record: KeyRecord) {
  return {
    id: record.id,
    object: 'key',
    name: record.name,
    tenant: record.tenant,
    role: record.role,
    created_at: record.createdAt,
    expires_at: record.expiresAt ?? null,
    revoked_at: record.revokedAt ?? null,
    limit: record.limit
      ? { requests: record.limit.requests, window_seconds: record.limit.windowSeconds }
      : null,
    concurrency: record.concurrency ?? null,
    models: record.models ?? null,
  };
}
