import { describe, expect, test } from 'vitest';
import type { History, JournalEntry } from '../history.ts';
import { checkHistory } from './check-history.ts';
import { textDigest } from './content.ts';
import { historyOf, QUIET, SPOILED, type Spoil } from './good-history.ts';
import {
  both,
  killedIngress,
  untraced,
  violationsOf,
  withCall,
  withEntry,
  withRow,
} from './spoil.ts';

const NO_VERDICTS = { ok: 0, lost: 0, duplicated: 0, phantom: 0, unknown: 0 };

test('a run in which nothing is wrong has no violation', () => {
  const { verdicts, violations } = checkHistory(historyOf());
  expect(violations).toEqual([]);
  expect(verdicts).toEqual({ ...NO_VERDICTS, ok: 4 });
});

describe('a request', () => {
  test.each<[verdict: string, spoil: Spoil]>([
    ['lost', both(untraced, withEntry({ calls: [], contentLength: 0, end: 'left' }))],
    ['lost', (story) => ({ ...untraced(story), calls: story.calls })],
  ])('without a row is %s', (verdict, spoil) => {
    const judgement = checkHistory(historyOf(spoil));
    expect(judgement.verdicts.ok).toBe(3);
    expect(judgement.verdicts.lost).toBeGreaterThan(0);
    expect(judgement.violations).toContainEqual(
      expect.objectContaining({ what: expect.stringContaining(verdict) }),
    );
  });

  test('with two rows is duplicated', () => {
    const history = historyOf();
    const rows = history.rows.slice(0, 1).map((row) => ({ ...row, requestId: 'another' }));
    const judgement = checkHistory({ ...history, rows: [...history.rows, ...rows] });
    expect(judgement.verdicts.duplicated).toBe(1);
    expect(judgement.violations).toContainEqual(
      expect.objectContaining({ what: 'duplicated: 2 rows', nonce: SPOILED.nonce }),
    );
  });

  test('that nobody made is a phantom', () => {
    const history = historyOf();
    const judgement = checkHistory({ ...history, journal: history.journal.slice(1) });
    expect(judgement.verdicts).toEqual({ ...NO_VERDICTS, ok: 3, phantom: 1 });
    expect(judgement.violations[0]?.what).toBe('phantom: a row without a request');
  });

  test('that broke without a status and has no row is unknown, and no violation', () => {
    const { status: _, requestId: __, ...unanswered } = historyOf().journal[0] as JournalEntry;
    const entry = { ...unanswered, end: 'unreachable', calls: [], contentLength: 0 } as const;
    const judgement = checkHistory(historyOf((story) => ({ ...untraced(story), entry })));
    expect(judgement.verdicts).toEqual({ ...NO_VERDICTS, ok: 3, unknown: 1 });
    expect(judgement.violations).toEqual([]);
  });

  test.each([{ errorCode: 'audit_unavailable' }, { errorMessage: 'could not be recorded.' }])(
    'refused because nothing can be recorded needs no row: %o',
    (said) => {
      const refused = { status: 503, end: 'refused', calls: [], contentLength: 0 } as const;
      const spoil = both(untraced, withEntry({ ...refused, ...said }));
      const judgement = checkHistory(historyOf(spoil));
      expect(judgement.verdicts).toEqual({ ...NO_VERDICTS, ok: 4 });
      expect(judgement.violations).toEqual([]);
    },
  );
});

describe('1: the row says what the client saw', () => {
  test.each<[what: string, spoil: Spoil]>([
    ['1 the row has no end', withRow({ status: null, ended: null })],
    [
      '1 the row says complete with 200, not refused with 429',
      withEntry({ status: 429, end: 'refused' }),
    ],
    [
      '1 the row says client_closed with 200, not complete with 200',
      withRow({ ended: 'client_closed' }),
    ],
    ['1 the row is of the key key-2', withRow({ keyId: 'key-2' })],
    ['1 the client was told another id, request-9', withEntry({ requestId: 'request-9' })],
    ['1 the end is assumed, and no ingress was killed', withRow({ finishedAssumed: true })],
    [
      '1 the gateway says that it failed, with 500',
      withEntry({ status: 500, end: 'refused', errorMessage: 'The gateway failed to do it.' }),
    ],
    ['1 only its deadline ended the request', withEntry({ endedAt: SPOILED.at + 1_000 })],
    ['1 the client got no answer in any time', withEntry({ end: 'silent' })],
  ])('%s', (what, spoil) => {
    expect(violationsOf(historyOf(spoil))).toContain(what);
  });

  test('an assumed end is right where an ingress was killed', () => {
    const spoil = withRow({ finishedAssumed: true, ended: 'abandoned', status: 500 });
    expect(violationsOf(historyOf(spoil, { faults: [killedIngress] }))).toEqual([]);
    const afterwards = { ...killedIngress, startedAt: SPOILED.at + 95 };
    expect(violationsOf(historyOf(spoil, { faults: [afterwards] }))).toEqual([]);
    const other = { ...killedIngress, target: 'ingress-2' };
    expect(violationsOf(historyOf(spoil, { faults: [other] }))).toHaveLength(1);
    const pausedIngress = { ...killedIngress, kind: 'pause' };
    expect(violationsOf(historyOf(spoil, { faults: [pausedIngress] }))).toHaveLength(1);
  });
});

describe('4 and 5: an answer is of one call, whole or its beginning', () => {
  const beginning = 'canary-alpha~1';
  const cut = { contentDigest: textDigest(beginning), contentLength: beginning.length };
  const hit: Spoil = (story) => ({
    ...withEntry({ cache: 'hit', calls: [2], attempts: 0, repeatedAs: 'prompt-1' })(story),
    calls: [],
    row: story.row && { ...story.row, attempts: [], attemptCount: 0 },
    events: story.events.filter(({ kind }) => kind !== 'attempted'),
  });
  test.each<[what: string, spoil: Spoil]>([
    ['4 a complete answer has 14 of 21 characters of call 1', withEntry(cut)],
    ['4 the answer is not what call 1 said', withEntry({ contentDigest: textDigest('other') })],
    ['4 the answer is not what call 1 said', withEntry({ contentLength: 22 })],
    ['4 the answer is of no call and has 0 characters', withEntry({ calls: [], contentLength: 0 })],
    ['4 there is no call 77', withEntry({ calls: [77] })],
    ['4 the answer broke off without an error', withEntry({ ...cut, end: 'broken' })],
    ['5 the answer is of the calls 1,2', withEntry({ calls: [1, 2] })],
    ['5 the answer is of call 2 for request-2', withEntry({ calls: [2] })],
    ['4 the stored answer is of call 2, another prompt', hit],
  ])('%s', (what, spoil) => {
    expect(violationsOf(historyOf(spoil))).toContain(what);
  });

  test('a part with an error is right, and a part without one where the ingress was killed', () => {
    const interrupted = both(
      withEntry({ ...cut, end: 'interrupted' }),
      withRow({ ended: 'interrupted' }),
    );
    expect(violationsOf(historyOf(interrupted))).toEqual([]);
    const broken = both(withEntry({ ...cut, end: 'broken' }), withRow({ ended: 'interrupted' }));
    expect(violationsOf(historyOf(broken, { faults: [killedIngress] }))).toEqual([]);
  });

  test('a stored answer is the whole answer to the same prompt of the same tenant', () => {
    const repeated = (history: History, tenant: string): History => {
      const [first, second, ...rest] = history.journal as [JournalEntry, JournalEntry];
      const { contentDigest, contentLength } = second;
      return {
        ...history,
        journal: [
          { ...first, contentDigest, contentLength },
          { ...second, repeatedAs: 'prompt-1', tenant },
          ...rest,
        ],
      };
    };
    expect(violationsOf(repeated(historyOf(hit), 'alpha'))).toEqual([]);
    expect(violationsOf(repeated(historyOf(hit), 'bravo'))).toContain(
      '7 the stored answer is of the tenant bravo',
    );
  });
});

describe('6: limits hold', () => {
  const key = { keyId: 'key-1', tenant: 'alpha' };
  const windowOf = (amount: number, windowMs: number) => ({
    keys: [{ ...key, requests: { amount, windowMs } }],
  });
  test('in every window', () => {
    // Requests come each 100 ms; each is admitted within 10 ms.
    expect(violationsOf(historyOf(undefined, windowOf(3, 300)))).toEqual([]);
    expect(violationsOf(historyOf(undefined, windowOf(3, 311)))).toEqual([
      '6 key key-1: 4 requests in 311 ms, 3 are allowed',
    ]);
  });

  test('for requests at the same time', () => {
    const long = withCall({ lastWriteAt: SPOILED.at + 150 });
    const atMost = (concurrency: number) => ({ keys: [{ ...key, concurrency }] });
    expect(violationsOf(historyOf(long, atMost(2)))).toEqual([]);
    expect(violationsOf(historyOf(long, atMost(1)))).toEqual([
      '6 key key-1: 2 requests at once, 1 allowed',
    ]);
  });

  test('and slots are given back', () => {
    expect(violationsOf(historyOf(undefined, { quiet: { ...QUIET, takenSlots: 2 } }))).toEqual([
      '6 2 slots are still taken',
    ]);
  });
});

describe('7: tenants see what is theirs', () => {
  test.each<[what: string, spoil: Spoil | undefined, more: Partial<History>]>([
    [
      '7 an answer to alpha holds canary-bravo',
      withEntry({ foreignCanaries: ['canary-bravo'] }),
      {},
    ],
    ['7 a request of alpha is on a row of bravo', withRow({ tenant: 'bravo' }), {}],
    ['7 the row holds the prompt: canary-alpha', withRow({ canaries: ['canary-alpha'] }), {}],
    [
      '7 an answer stored for bravo holds canary-alpha',
      undefined,
      { cached: [{ tenant: 'bravo', canaries: ['canary-bravo', 'canary-alpha'] }] },
    ],
  ])('%s', (what, spoil, more) => {
    expect(violationsOf(historyOf(spoil, more))).toContain(what);
  });

  test('an answer stored for its own tenant is right', () => {
    const cached = [{ tenant: 'alpha', canaries: ['canary-alpha'] }];
    expect(violationsOf(historyOf(undefined, { cached }))).toEqual([]);
  });
});

describe('8: nothing waits', () => {
  test.each([
    ['pendingEvents', '8 3 events are not settled'],
    ['storedEvents', '8 3 events are still stored'],
    ['quarantinedEvents', '8 3 events are in quarantine'],
    ['spooledEvents', '8 3 events are in spools'],
  ])('%s', (name, what) => {
    expect(violationsOf(historyOf(undefined, { quiet: { ...QUIET, [name]: 3 } }))).toEqual([what]);
  });

  test.each([
    ['received', 'request-9', undefined],
    ['attempted', SPOILED.requestId, 2],
  ] as const)('a stored `%s` is on a row', (kind, requestId, attempt) => {
    const history = historyOf();
    const event = { sequence: 900, at: SPOILED.at, kind, requestId, attempt };
    expect(violationsOf({ ...history, events: [...history.events, event] })).toEqual([
      `8 \`${kind}\` was stored as 900 and is on no row`,
    ]);
  });

  test('a stored `finished` ends its row', () => {
    const spoil = withRow({ status: null, ended: null });
    expect(violationsOf(historyOf(spoil))).toContain(
      '8 `finished` was stored as 5 and is on no row',
    );
  });
});
