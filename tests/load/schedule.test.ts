import { expect, test } from 'vitest';
import { PIECES } from './scenarios.ts';
import { scenariosOf, turnsOf } from './schedule.ts';
import { SYSTEM_NAMES } from './systems/system.ts';

const everything = { rounds: 3, systems: SYSTEM_NAMES, pieces: PIECES };
const said = (chosen: Parameters<typeof turnsOf>[0]) =>
  turnsOf(chosen).map(({ system, variant, round }) => `${round} ${system} ${variant}`);

test('systems take turns, and what is stable or slow is in the last rounds', () => {
  expect(said(everything)).toEqual([
    ...['1 direct plain', '1 embedded plain', '1 stack plain', '1 portkey plain'],
    ...['2 direct plain', '2 embedded plain', '2 stack plain', '2 stack-synced plain'],
    ...['2 portkey plain', '3 direct plain', '3 bare plain', '3 bare-bus plain'],
    ...['3 embedded plain', '3 embedded traced-1', '3 embedded traced-100', '3 embedded keys'],
    ...['3 stack plain', '3 stack traced-1', '3 stack traced-100', '3 stack keys'],
    ...['3 stack-synced plain', '3 portkey plain'],
  ]);
});

test('a single round has all that is chosen, and nothing else', () => {
  const chosen = { rounds: 1, systems: ['bare', 'stack'], pieces: ['plain', 'keys'] } as const;
  expect(said(chosen)).toEqual(['1 bare plain', '1 stack plain', '1 stack keys']);
});

const names = (turn: Parameters<typeof scenariosOf>[0], peerPeak = 1_000) =>
  scenariosOf(turn, everything, peerPeak).map(({ name }) => name);

test('what is shown of Portkey is measured of Portkey, and what it lacks is not', () => {
  const portkey = names({ system: 'portkey', variant: 'plain', round: 3 });
  expect(portkey).toEqual(
    expect.arrayContaining(['plain-1', 'half-peak', 'prompt-1024', 'stream-paced']),
  );
  expect(portkey.filter((name) => /cache|refused/.test(name))).toEqual([]);
});

test('there is no half of a peak that is not known', () => {
  const turn = { system: 'stack', variant: 'plain', round: 1 } as const;
  expect(names(turn)).toContain('half-peak');
  expect(names(turn, 0)).not.toContain('half-peak');
});

test('a variant has loads that the plain settings have, too', () => {
  const traced = names({ system: 'stack', variant: 'traced-1', round: 3 });
  expect(traced).not.toEqual([]);
  expect(names({ system: 'stack', variant: 'plain', round: 3 })).toEqual(
    expect.arrayContaining(traced),
  );
});
