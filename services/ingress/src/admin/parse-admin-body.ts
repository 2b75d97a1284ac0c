import { GatewayError } from '@gateway/protocol';
import type { z } from 'zod';

/** An admin request's JSON body, checked. Throws `invalid_request` naming the field. */
export function parseAdminBody<Body>(schema: z.ZodType<Body>, body: unknown): Body {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.isBuffer(body) ? body.toString('utf8') : '');
  } catch {
    throw new GatewayError('invalid_request', 'The body is no valid JSON.', {
      reason: 'invalid_json',
    });
  }
  return checked(schema, value);
}

/** The value as the schema has it, or the first problem as `invalid_request`. */
export function checked<Value>(schema: z.ZodType<Value>, value: unknown): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const param = issue?.path.join('.') ?? '';
  throw new GatewayError('invalid_request', `${param || 'The request'}: ${issue?.message}`, {
    param,
    reason: issue?.code === 'unrecognized_keys' ? 'unknown_parameter' : 'invalid_value',
  });
}
