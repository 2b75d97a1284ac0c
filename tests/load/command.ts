/** How the commands of this directory end. */
import { InterruptedError } from './run.ts';

const USAGE_EXIT_CODE = 64;
const INTERRUPTED_EXIT_CODE = 130;

/** A RangeError is about what was asked for, and needs no stack. */
export async function runCommand(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const isUsage = error instanceof RangeError;
    const isInterrupted = error instanceof InterruptedError;
    const { message, stack } = error as Error;
    process.stderr.write(`${isUsage || isInterrupted ? message : stack}\n`);
    process.exitCode = isUsage ? USAGE_EXIT_CODE : isInterrupted ? INTERRUPTED_EXIT_CODE : 1;
  }
}

/** Throws a RangeError for anything else. */
export function wholeNumber(text: string, max: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= max) return number;
  throw new RangeError(`${text} is no whole number from 1 to ${max}`);
}
