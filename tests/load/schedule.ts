/** Which system is measured when, with which settings, and under which loads. */
import { type Piece, SCENARIOS, type Scenario } from './scenarios.ts';
import type { SystemName } from './systems/system.ts';

/** `plain`: the settings that all loads are run with. */
export type Variant = 'plain' | 'traced-1' | 'traced-100' | 'keys';

/** One system, started afresh. */
export interface Turn {
  readonly system: SystemName;
  readonly variant: Variant;
  /** From 1. */
  readonly round: number;
}

export interface Chosen {
  readonly rounds: number;
  readonly systems: readonly SystemName[];
  readonly pieces: readonly Piece[];
}

/** What is measured in the last rounds only: its figures are stable, or it takes its time to set up. */
const ROUNDS_OF_PIECE: Readonly<Partial<Record<Piece, number>>> = {
  prompts: 2,
  cache: 2,
  refusals: 2,
  tracing: 1,
  keys: 1,
};
const ROUNDS_OF_SYSTEM: Readonly<Partial<Record<SystemName, number>>> = {
  bare: 1,
  'bare-bus': 1,
  'stack-synced': 2,
};

/** Loads of the variants: enough to see a difference. */
const OF_VARIANTS = ['plain-16', 'plain-1-open'];

export function turnsOf({ rounds, systems, pieces }: Chosen): readonly Turn[] {
  const isDue = (round: number, ofAll: number | undefined) => round > rounds - (ofAll ?? rounds);
  const variantsOf = (system: SystemName, round: number): readonly Variant[] => {
    if (system !== 'embedded' && system !== 'stack') return ['plain'];
    const has = (piece: Piece) => pieces.includes(piece) && isDue(round, ROUNDS_OF_PIECE[piece]);
    return [
      'plain',
      ...(has('tracing') ? (['traced-1', 'traced-100'] as const) : []),
      ...(has('keys') ? (['keys'] as const) : []),
    ];
  };
  return Array.from({ length: rounds }, (_, index) => index + 1).flatMap((round) =>
    systems
      .filter((system) => isDue(round, ROUNDS_OF_SYSTEM[system]))
      .flatMap((system) =>
        variantsOf(system, round).map((variant) => ({ system, variant, round })),
      ),
  );
}

/** `peerPeak` 0 where it is not known. */
export function scenariosOf(
  { system, variant, round }: Turn,
  { rounds, pieces }: Chosen,
  peerPeak: number,
): readonly Scenario[] {
  if (variant !== 'plain') return SCENARIOS.filter(({ name }) => OF_VARIANTS.includes(name));
  return SCENARIOS.filter(
    ({ piece, systems, rate }) =>
      pieces.includes(piece) &&
      round > rounds - (ROUNDS_OF_PIECE[piece] ?? rounds) &&
      (systems?.includes(system) ?? true) &&
      // The synced column is about what acknowledgements cost.
      (system !== 'stack-synced' || piece === 'plain') &&
      (typeof rate !== 'string' || peerPeak > 0),
  );
}
