import { GatewayError } from '@gateway/protocol';
import type { z } from 'zod';

/** A field's path as OpenAI writes it: `messages[0].content`. */
function fieldPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? String(step) : `${text}.${String(step)}`;
  }, '');
}

/** A refusal that names the field. The message never quotes the value. */
export function invalidField(
  param: string,
  message: string,
  reason = 'invalid_value',
): GatewayError {
  return new GatewayError('invalid_request', message, { param, reason });
}

/** The first problem of a request as the error its client gets. */
export function invalidFieldOf(error: z.ZodError): GatewayError {
  const issue = error.issues[0] === undefined ? undefined : deepest(error.issues[0]);
  if (issue === undefined) return invalidField('', 'The request is not valid.');
  const param = fieldPath(issue.path);
  if (issue.code === 'invalid_type' && issue.input === undefined) {
    const message = `Missing required parameter: '${param}'.`;
    return invalidField(param, message, 'missing_required_parameter');
  }
  return invalidField(param, `Invalid '${param}': ${explain(issue)}`);
}

/** Of the branches of a union, the one that came furthest is the one that was meant. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  let best: z.core.$ZodIssue | undefined;
  for (const branch of issue.errors) {
    const [first] = branch;
    if (first === undefined) continue;
    const found = deepest({ ...first, path: [...issue.path, ...first.path] });
    if (best === undefined || found.path.length > best.path.length) best = found;
  }
  return best === undefined || best.path.length <= issue.path.length ? issue : best;
}

function explain(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${issue.expected === 'int' ? 'integer' : issue.expected}.`;
    case 'too_big':
      return `expected at most ${issue.maximum}${unitOf(issue.origin)}.`;
    case 'too_small':
      return `expected at least ${issue.minimum}${unitOf(issue.origin)}.`;
    case 'invalid_value':
      return `expected one of ${issue.values.map((value) => `'${String(value)}'`).join(', ')}.`;
    case 'invalid_union':
      return explainUnion(issue);
    default:
      return 'the value is not allowed.';
  }
}

function explainUnion(issue: z.core.$ZodIssueInvalidUnion): string {
  if (issue.discriminator !== undefined)
    return `the value of '${issue.discriminator}' is not allowed.`;
  const types = issue.errors.flatMap((branch) => branch.slice(0, 1).map(explain));
  return types.length === 0 ? 'the value is not allowed.' : types.join(' Or: ');
}

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters';
  return origin === 'array' ? ' items' : '';
}
