/** Ways to spoil a good history, and what the checks say of it. */
import type { AttemptRow, History, JournalEntry, ProviderCall, RequestRow } from '../history.ts';
import { checkHistory } from './check-history.ts';
import { SPOILED, type Spoil, type Story } from './good-history.ts';

export const withEntry =
  (change: Partial<JournalEntry>): Spoil =>
  (story) => ({ ...story, entry: { ...story.entry, ...change } });
export const withRow =
  (change: Partial<RequestRow>): Spoil =>
  (story) => ({ ...story, row: story.row && { ...story.row, ...change } });
export const withCall =
  (change: Partial<ProviderCall>): Spoil =>
  (story) => ({ ...story, calls: story.calls.map((call) => ({ ...call, ...change })) });
export const withAttempt =
  (change: Partial<AttemptRow>): Spoil =>
  (story) =>
    withRow({ attempts: attemptsOf(story).map((attempt) => ({ ...attempt, ...change })) })(story);
export const both =
  (...spoils: readonly Spoil[]): Spoil =>
  (story) =>
    spoils.reduce((spoiled, spoil) => spoil(spoiled), story);
export const withoutReceived: Spoil = (story) => ({ ...story, events: story.events.slice(1) });
export const untraced: Spoil = (story) => ({ ...story, row: undefined, calls: [], events: [] });

export function attemptsOf({ row }: Story): readonly AttemptRow[] {
  return row?.attempts ?? [];
}

export function violationsOf(history: History): string[] {
  return checkHistory(history).violations.map(({ invariant, what }) => `${invariant} ${what}`);
}

export const killedIngress = {
  target: 'ingress-1',
  kind: 'kill',
  startedAt: SPOILED.at,
  endedAt: SPOILED.at + 500,
};
