/** Clocks, timers and chance of the whole runtime, led by a simulation for as long as it runs. */
import type { VirtualTime } from './virtual-time.ts';

let world: VirtualTime | undefined;

/** The simulation that runs now. */
export function runningWorld(): VirtualTime {
  if (world === undefined) throw new Error('No simulation runs.');
  return world;
}

class VirtualTimer {
  readonly #start: () => { callOff(): void };
  #running: { callOff(): void };

  constructor(start: () => { callOff(): void }) {
    this.#start = start;
    this.#running = start();
  }

  close(): void {
    this.#running.callOff();
  }

  refresh(): this {
    this.#running.callOff();
    this.#running = this.#start();
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  replace(running: { callOff(): void }): void {
    this.#running = running;
  }
}

function virtualTimeout(task: (...values: unknown[]) => void, delayMs = 0, ...values: unknown[]) {
  const time = runningWorld();
  const process = time.current;
  return new VirtualTimer(() => time.after(delayMs, process, () => task(...values)));
}

function virtualInterval(task: () => void, delayMs: number) {
  const time = runningWorld();
  const process = time.current;
  const start = () =>
    time.after(delayMs, process, () => {
      timer.replace(start());
      task();
    });
  const timer: VirtualTimer = new VirtualTimer(start);
  return timer;
}

function clearVirtual(timer: VirtualTimer | undefined): void {
  timer?.close();
}

/** What stands in for `setTimeout` of `node:timers/promises`. */
export function virtualSleep(
  delayMs: number,
  value?: unknown,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = virtualTimeout(() => {
      signal?.removeEventListener('abort', aborted);
      resolve(value);
    }, delayMs);
    const aborted = () => {
      timer.close();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', aborted, { once: true });
  });
}

/** Runs with the world's clocks, timers and chance in the place of the real ones. */
export async function withReplacedGlobals<Result>(
  time: VirtualTime,
  run: () => Promise<Result>,
): Promise<Result> {
  const real = { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval };
  const realNow = Date.now;
  const realPerformanceNow = performance.now;
  const realRandom = Math.random;
  world = time;
  Object.assign(globalThis, {
    setTimeout: virtualTimeout,
    setInterval: virtualInterval,
    setImmediate: (task: () => void) => virtualTimeout(task),
    clearTimeout: clearVirtual,
    clearInterval: clearVirtual,
  });
  Date.now = () => time.processNow;
  // It knows no skew: it counts from the start of the process.
  performance.now = () => time.now;
  Math.random = () => time.random.next();
  try {
    return await run();
  } finally {
    Object.assign(globalThis, real);
    Date.now = realNow;
    performance.now = realPerformanceNow;
    Math.random = realRandom;
    world = undefined;
  }
}
