import { describe, expect, test } from 'vitest';
import { checkHistory } from './check-history.ts';
import { historyOf, type Spoil } from './good-history.ts';
import {
  attemptsOf,
  both,
  killedIngress,
  violationsOf,
  withAttempt,
  withCall,
  withEntry,
  withoutReceived,
  withRow,
} from './spoil.ts';

describe('2: a provider call is announced and on its row', () => {
  const second: Spoil = (story) => ({
    ...story,
    calls: [...story.calls, ...story.calls.map((call) => ({ ...call, id: 99, answerId: 'x' }))],
  });
  test.each<[what: string, spoil: Spoil]>([
    ['2 lost: call 99 is no attempt on the row', second],
    ['2 phantom: attempt 1 has no call', (story) => ({ ...story, calls: [] })],
    ['2 lost: 2 attempts, 1 on the row', withRow({ attemptCount: 2 })],
    ['2 lost: 1 calls and no row', (story) => ({ ...story, row: undefined })],
    [
      '2 call 1 was made, `received` was never stored',
      both(withRow({ isReceived: false }), withoutReceived),
    ],
    [
      '2 call 1 was made, `received` came 1 ms later',
      (story) => ({
        ...story,
        events: story.events.map((event) => ({ ...event, at: event.at + 6 })),
      }),
    ],
    [
      '2 duplicated: the attempts are 1,1',
      (story) => withRow({ attempts: [...attemptsOf(story), ...attemptsOf(story)] })(story),
    ],
  ])('%s', (what, spoil) => {
    expect(violationsOf(historyOf(spoil))).toContain(what);
  });

  test('an event may pass the listener by when nats-server dies, and only then', () => {
    expect(violationsOf(historyOf(withoutReceived))).toHaveLength(1);
    const faults = [{ ...killedIngress, target: 'nats' }];
    expect(violationsOf(historyOf(withoutReceived, { faults }))).toEqual([]);
  });

  test('an attempt of which nothing is known may lack a call', () => {
    const lost = { attempt: 2, upstreamStatus: null, upstreamRequestId: null };
    const spoil: Spoil = (story) => {
      const more = attemptsOf(story).map((attempt) => {
        return { ...attempt, ...lost, usageSource: 'unknown', inputTokens: 0, outputTokens: 0 };
      });
      return withRow({ attempts: [...attemptsOf(story), ...more], attemptCount: 2 })(story);
    };
    expect(violationsOf(historyOf(spoil))).toEqual([]);
  });

  test('what is assumed of a lost worker may lack a call that it did not come to make', () => {
    const kept = (assumed: boolean): Spoil =>
      both(
        withEntry({ status: 502, calls: [], contentLength: 0, end: 'refused' }),
        withRow({ status: 502, ended: 'failed' }),
        withAttempt({
          ...{ upstreamStatus: null, upstreamRequestId: null, errorCode: 'worker_lost' },
          ...{ usageSource: 'estimated', assumed },
        }),
        (story) => ({ ...story, calls: [] }),
      );
    const phantom = ['2 phantom: attempt 1 has no call'];
    expect(violationsOf(historyOf(kept(true)))).toEqual(phantom);
    const faults = [{ ...killedIngress, target: 'provider-worker-1' }];
    expect(violationsOf(historyOf(kept(true), { faults }))).toEqual([]);
    const ofNats = [{ ...killedIngress, target: 'nats' }];
    expect(violationsOf(historyOf(kept(true), { faults: ofNats }))).toEqual([]);
    expect(violationsOf(historyOf(kept(false), { faults }))).toEqual(phantom);
    const others = [{ ...killedIngress, target: 'cache-1' }];
    expect(violationsOf(historyOf(kept(true), { faults: others }))).toEqual(phantom);
  });

  test('an estimate may lack a call that a broken link to the provider kept', () => {
    const kept: Spoil = (story) => {
      const estimate = { upstreamStatus: null, upstreamRequestId: null, usageSource: 'estimated' };
      const refused = { status: 504, calls: [], contentLength: 0, end: 'refused' } as const;
      return both(
        withEntry(refused),
        withRow({ status: 504, ended: 'failed' }),
        withAttempt(estimate),
      )({ ...story, calls: [] });
    };
    expect(violationsOf(historyOf(kept))).toEqual(['2 phantom: attempt 1 has no call']);
    const target = 'provider-worker-1';
    const faults = [{ ...killedIngress, target, kind: 'black-hole of provider' }];
    expect(violationsOf(historyOf(kept, { faults }))).toEqual([]);
    const broken = both(kept, withAttempt({ errorCode: 'provider_unavailable' }));
    expect(violationsOf(historyOf(broken))).toEqual([]);
    expect(checkHistory(historyOf(broken)).tokens['alpha gpt-4o-mini']).toMatchObject({
      ...{ estimated: 1, unheard: 1 },
    });
  });

  test('of two calls of one status that of the same tokens is the attempt that tells them', () => {
    const repeated: Spoil = (story) => {
      const [answered] = attemptsOf(story);
      const [call] = story.calls;
      if (answered === undefined || call === undefined) return story;
      const { usage: _, ...withoutUsage } = call;
      const aborted = {
        ...withoutUsage,
        id: 98,
        answerId: 'x',
        ended: 'aborted-by-client',
      } as const;
      const second = { ...answered, upstreamRequestId: null, attempt: 2 };
      const estimate = { upstreamStatus: null, usageSource: 'estimated' };
      const attempts = [{ ...second, ...estimate, attempt: 1 }, second];
      const calls = [aborted, { ...call, at: call.at + 1 }];
      return withRow({ attempts, attemptCount: 1 })({ ...story, calls });
    };
    expect(violationsOf(historyOf(repeated))).toEqual([]);
  });

  test('a call is the attempt of its status where the vendor gives no id', () => {
    const retried: Spoil = (story) => {
      const [answered] = attemptsOf(story);
      if (answered === undefined) return story;
      const named = { upstreamRequestId: null, attempt: 2 };
      const lost = { upstreamStatus: null, usageSource: 'estimated', outputTokens: 0 };
      const first = { ...answered, ...named, ...lost, attempt: 1 };
      const attempts = [
        { ...first, errorCode: 'provider_unavailable' },
        { ...answered, ...named },
      ];
      return withRow({ attempts, attemptCount: 2 })(story);
    };
    expect(violationsOf(historyOf(retried))).toEqual([]);
  });

  test('calls that gave no id belong to the attempts in their order', () => {
    const unnamed: Spoil = (story) => ({
      ...withAttempt({ upstreamRequestId: null })(story),
      calls: story.calls.map(({ answerId: _, ...call }) => call),
    });
    expect(violationsOf(historyOf(unnamed))).toEqual([]);
    const other = both(unnamed, withAttempt({ model: 'another' }));
    expect(violationsOf(historyOf(other))).toContain('2 lost: call 1 is no attempt on the row');
  });
});

describe('3: tokens are the provider’s own', () => {
  test('a row with other tokens is told, and its tenant and model with it', () => {
    expect(violationsOf(historyOf(withAttempt({ outputTokens: 3 })))).toEqual([
      '3 call 1 told 10 and 2 tokens, the row has 10 and 3',
      '3 alpha gpt-4o-mini: the provider counts 48 tokens, the rows 49',
    ]);
  });

  test('an estimate needs somebody who died or left', () => {
    const spoil = withAttempt({ usageSource: 'estimated' });
    expect(violationsOf(historyOf(spoil))).toEqual([
      '3 call 1 told its usage, the row has estimated',
    ]);
    const left = both(spoil, withEntry({ end: 'left' }));
    expect(violationsOf(historyOf(left))).toEqual([]);
    expect(violationsOf(historyOf(spoil, { faults: [killedIngress] }))).toEqual([]);
    const cut = both(spoil, withCall({ ended: 'cut' }));
    expect(violationsOf(historyOf(cut))).toEqual([]);
  });

  test('sums are told for each tenant and model', () => {
    const spoil = both(withAttempt({ usageSource: 'estimated' }), withEntry({ end: 'left' }));
    expect(checkHistory(historyOf(spoil)).tokens['alpha gpt-4o-mini']).toMatchObject({
      ...{ calls: 4, tokens: 48, reported: 3, reportedTokens: 36, estimated: 1, missedTokens: 12 },
    });
  });
});
