/**
 * Every subject, stream, durable consumer and bucket name. No other file holds such a literal.
 *
 * Tokens come from this file, from provider names (a closed registry checked by `providerName`) and
 * from ids that we made. Text from a client never becomes a token.
 */
import type { ServiceName } from './identity.ts';

/**
 * The version of what services say to each other. Those of different versions do not hear each other, so
 * that both can run beside each other while they are replaced (decision 25).
 */
const ROOT = 'gateway.v2';
/** The version of what is kept, which those of every version read. */
const KEPT_ROOT = 'gateway.v1';
const EVENT_PREFIX = `${KEPT_ROOT}.event.`;

export type EventKind = 'received' | 'attempted' | 'finished' | 'control';

/** What arrives on a reply subject: frames (or a no-responders answer), or a publish acknowledgement. */
export type ReplyLeg = 'frames' | 'acknowledgement';

export interface ReplyAddress {
  readonly ingress: string;
  /** Of an acknowledgement, and of frames, which say themselves whose they are: the worker. */
  readonly request: string;
  /** Of an acknowledgement: the number of the worker's publish; 0 of frames. */
  readonly attempt: number;
  readonly leg: ReplyLeg;
}

export const subjects = {
  reserve: `${ROOT}.rate-limit.reserve`,
  releaseSlots: `${ROOT}.rate-limit.release`,
  renewSlots: `${ROOT}.rate-limit.renew`,
  cacheLookup: `${ROOT}.cache.lookup`,
  cacheStore: `${ROOT}.cache.store`,
  auditQuery: `${ROOT}.audit.query`,
  inference: (provider: string) => `${ROOT}.inference.${provider}`,
  models: (provider: string) => `${ROOT}.models.${provider}`,
  keptResponses: (provider: string) => `${ROOT}.responses.${provider}`,
  event: (kind: EventKind) => `${EVENT_PREFIX}${kind}`,
  quarantine: (consumer: string) => `${KEPT_ROOT}.quarantine.${consumer}`,
  /** Frames of one attempt, or what JetStream says of a worker's publish, to the ingress that asked. */
  reply: (address: ReplyAddress) =>
    `${ROOT}.reply.${address.ingress}.${address.request}.${address.attempt}.${address.leg}`,
  replies: (ingress: string) => `${ROOT}.reply.${ingress}.>`,
  /** Cancel, credit and ping, to one worker. */
  control: (worker: string) => `${ROOT}.control.${worker}`,
  /** Reply subject of a worker's frames: hears that the ingress is gone. */
  hop: (worker: string, ingress: string, request: string, attempt: number) =>
    `${ROOT}.hop.${worker}.${ingress}.${request}.${attempt}`,
  hops: (worker: string) => `${ROOT}.hop.${worker}.>`,
  /** Pieces of a large request body, held by the ingress. */
  body: (ingress: string) => `${ROOT}.body.${ingress}`,
  /** Replies to requests of one instance; the last token numbers the request. */
  inbox: (service: ServiceName, instance: string, request: string) =>
    `${ROOT}.inbox.${service}.${instance}.${request}`,
  inboxes: (service: ServiceName, instance: string) => `${ROOT}.inbox.${service}.${instance}.*`,
} as const;

/**
 * The subject of a message with all these events. It names each of their kinds, so that whoever may not
 * publish one of them may not publish the message either: `gateway.v1.event.attempted+finished`.
 */
export function eventSubjectOfAll(events: readonly { readonly subject: string }[]): string {
  const [first] = events;
  if (first !== undefined && events.every(({ subject }) => subject === first.subject)) {
    return first.subject;
  }
  const kinds = new Set(events.map(({ subject }) => subject.slice(EVENT_PREFIX.length)));
  return `${EVENT_PREFIX}${[...kinds].sort().join('+')}`;
}

/** The address in a reply subject, or undefined where the subject is not one. */
export function parseReplySubject(subject: string): ReplyAddress | undefined {
  const [, , , ingress, request, attempt, leg, ...rest] = subject.split('.');
  if (!ingress || !request || !attempt || rest.length > 0) return undefined;
  if (leg !== 'frames' && leg !== 'acknowledgement') return undefined;
  return { ingress, request, attempt: Number(attempt), leg };
}

/** The ingress, request and attempt in a hop subject, or undefined where the subject is not one. */
export function parseHopSubject(
  subject: string,
): { ingress: string; request: string; attempt: number } | undefined {
  const [, , , , ingress, request, attempt, ...rest] = subject.split('.');
  if (!ingress || !request || !attempt || rest.length > 0) return undefined;
  return { ingress, request, attempt: Number(attempt) };
}

/** Prefix of the NATS client's own inboxes (JetStream requests), one per service for permissions. */
export function clientInboxPrefix(service: ServiceName | 'provisioner'): string {
  return `_INBOX_${service}`;
}

const DAY_MS = 24 * 60 * 60 * 1000;

export interface StreamDefinition {
  readonly name: string;
  readonly subjects: readonly string[];
  /** `interest` frees a message once every consumer has acknowledged it; `limits` keeps it until it ages. */
  readonly retention: 'interest' | 'limits';
  readonly bytesMax: number;
  readonly ageMaxMs: number;
  readonly messageBytesMax: number;
  /** Within this window a second publish with the same message id is not stored. */
  readonly duplicateWindowMs: number;
}

export const streams = {
  events: {
    name: 'GATEWAY_EVENTS',
    subjects: [`${KEPT_ROOT}.event.>`],
    retention: 'interest',
    bytesMax: 4 * 1024 ** 3,
    ageMaxMs: 14 * DAY_MS,
    messageBytesMax: 256 * 1024,
    duplicateWindowMs: 10 * 60 * 1000,
  },
  quarantine: {
    name: 'GATEWAY_QUARANTINE',
    subjects: [`${KEPT_ROOT}.quarantine.>`],
    retention: 'limits',
    bytesMax: 256 * 1024 ** 2,
    ageMaxMs: 30 * DAY_MS,
    messageBytesMax: 512 * 1024,
    duplicateWindowMs: 10 * 60 * 1000,
  },
} as const satisfies Record<string, StreamDefinition>;

export interface ConsumerDefinition {
  /** Named after the service that reads it. */
  readonly durable: ServiceName;
  readonly stream: string;
  readonly filter: string;
  /** A delivery neither acknowledged nor refused within this time is made again. */
  readonly acknowledgeWithinMs: number;
  readonly pendingMax: number;
}

export const consumers = {
  auditWriter: {
    durable: 'audit-writer',
    stream: streams.events.name,
    filter: `${KEPT_ROOT}.event.>`,
    acknowledgeWithinMs: 15_000,
    pendingMax: 5_000,
  },
} as const satisfies Record<string, ConsumerDefinition>;

export const buckets = {
  keys: 'gateway-keys',
  configuration: 'gateway-configuration',
} as const;

export type BucketName = (typeof buckets)[keyof typeof buckets];
