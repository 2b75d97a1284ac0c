/** Settings of the simulation, read from the environment. */
import process from 'node:process';

/** In every run of the tests. */
const SCHEDULES_DEFAULT = 2_000;

export interface SimulationSettings {
  /** Seeds from 1 on. */
  readonly schedules: number;
  /** Runs this one alone and prints its trace. */
  readonly seed: number | undefined;
}

/** Throws a RangeError for what is no whole number from 1. */
export function readSettings(environment = process.env): SimulationSettings {
  return {
    schedules: wholeNumber(environment.SIMULATION_SCHEDULES) ?? SCHEDULES_DEFAULT,
    seed: wholeNumber(environment.SIMULATION_SEED),
  };
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  throw new RangeError(`not a whole number from 1: ${text}`);
}
