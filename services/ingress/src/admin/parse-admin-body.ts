import { GatewayError } from '@gateway/protocol';
import { z } from 'zod';

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
  const parsed = schema.safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = issue?.path.join('.') ?? '';
  if (issue?.code === 'unrecognized_keys') throw unknownParameter(schema, path, issue.keys[0]);
  if (issue !== undefined && issue.input === undefined) {
    throw new GatewayError('invalid_request', `Missing required parameter: '${path}'.`, {
      param: path,
      reason: 'missing_required_parameter',
    });
  }
  const message =
    path === '' ? `The request: ${issue?.message}` : `Invalid '${path}': ${issue?.message}.`;
  throw new GatewayError('invalid_request', message, { param: path, reason: 'invalid_value' });
}

function unknownParameter(schema: z.ZodType, path: string, name = ''): GatewayError {
  const param = path === '' ? name : `${path}.${name}`;
  const known = path === '' && schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  const more = known.length > 0 ? ` There are: ${known.join(', ')}.` : '';
  return new GatewayError('invalid_request', `Unknown parameter: '${param}'.${more}`, {
    param,
    reason: 'unknown_parameter',
  });
}
