import type { Subscription } from '../bus.ts';

/** A subscription around what ends it; ending it again waits for the same end. */
export function drainable(end: () => Promise<void>): Subscription {
  let ended: Promise<void> | undefined;
  const drain = () => {
    ended ??= end();
    return ended;
  };
  return { drain, [Symbol.asyncDispose]: drain };
}
