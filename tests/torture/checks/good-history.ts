/** A small run in which nothing is wrong, to be spoiled by tests. */
import type {
  AttemptRow,
  History,
  JournalEntry,
  ProviderCall,
  QuietState,
  RequestRow,
  StoredEvent,
} from '../history.ts';
import { textDigest } from './content.ts';

const START = 1_000_000;

export const QUIET: QuietState = {
  pendingEvents: 0,
  storedEvents: 0,
  quarantinedEvents: 0,
  spooledEvents: 0,
  takenSlots: 0,
};

/** One request with all its traces. */
export interface Story {
  readonly entry: JournalEntry;
  readonly row: RequestRow | undefined;
  readonly calls: readonly ProviderCall[];
  readonly events: readonly StoredEvent[];
}

/** Spoils a story before it becomes part of a history. */
export type Spoil = (story: Story) => Story;

function attemptOf(call: ProviderCall, attempt: number): AttemptRow {
  return {
    attempt,
    provider: call.vendor,
    model: call.model,
    upstreamStatus: 200,
    upstreamRequestId: `req_${call.answerId}`,
    errorCode: null,
    inputTokens: call.usage?.input ?? 0,
    outputTokens: call.usage?.output ?? 0,
    usageSource: 'provider',
    assumed: false,
  };
}

/** A chat that was answered whole by one call; times follow from its number. */
export function answeredStory(number: number): Story {
  const sentAt = START + number * 100;
  const requestId = `request-${number}`;
  const text = `canary-alpha~${number} says~${number}`;
  const call: ProviderCall = {
    id: number,
    at: sentAt + 10,
    vendor: 'openai',
    model: 'gpt-4o-mini',
    requestId,
    answerId: `answer-${number}`,
    status: 200,
    usage: { input: 10, output: 2 },
    text,
    lastWriteAt: sentAt + 80,
    endedAt: sentAt + 81,
    ended: 'complete',
  };
  const events = (['received', 'attempted', 'finished'] as const).map((kind, index) => ({
    sequence: 3 * number + index,
    at: sentAt + 5 + index * 80,
    kind,
    requestId,
    attempt: kind === 'attempted' ? 1 : undefined,
  }));
  return {
    entry: {
      nonce: `nonce-${number}`,
      ingress: 'ingress-1',
      tenant: 'alpha',
      keyId: 'key-1',
      dialect: 'chat',
      model: 'gpt-4o-mini',
      stream: false,
      kind: 'plain',
      directive: '',
      repeatedAs: '',
      sentAt,
      endedAt: sentAt + 90,
      requestId,
      status: 200,
      end: 'complete',
      contentDigest: textDigest(text),
      contentLength: text.length,
      calls: [number],
      cache: 'bypass',
      attempts: 1,
      foreignCanaries: [],
    },
    row: {
      requestId,
      nonce: `nonce-${number}`,
      tenant: 'alpha',
      keyId: 'key-1',
      isReceived: true,
      status: 200,
      ended: 'complete',
      errorCode: null,
      attemptCount: 1,
      finishedAssumed: false,
      attempts: [attemptOf(call, 1)],
      canaries: [],
    },
    calls: [call],
    events,
  };
}

/** As many answered requests, the first of them spoiled, and what else is to be different. */
export function historyOf(
  spoil: Spoil = (story) => story,
  more: Partial<History> = {},
  count = 4,
): History {
  const stories = Array.from({ length: count }, (_, index) => answeredStory(index + 1));
  const [first, ...rest] = stories;
  const all = first === undefined ? [] : [spoil(first), ...rest];
  return {
    deadlineMs: 1_000,
    canaries: { alpha: 'canary-alpha', bravo: 'canary-bravo' },
    keys: [],
    journal: all.map(({ entry }) => entry),
    calls: all.flatMap(({ calls }) => calls),
    rows: all.flatMap(({ row }) => row ?? []),
    events: all.flatMap(({ events }) => events),
    faults: [],
    cached: [],
    quiet: QUIET,
    ...more,
  };
}

export const SPOILED = { requestId: 'request-1', nonce: 'nonce-1', at: START + 100 } as const;
