/** True when all is well, or the reason why not, in words for an operator and without secrets. */
export type HealthCheck = () => true | string;

export type Readiness = {
  readonly isReady: boolean;
  /** Names of failing checks, each with its reason. */
  readonly failing: Readonly<Record<string, string>>;
};

/** Where a service registers what must hold before it can take work. */
export type Health = {
  /** Adds a check. Throws when the name is taken. Dispose the result to remove it. */
  register(name: string, check: HealthCheck): Disposable;
  /** The same registry, with `prefix.` before every name. */
  within(prefix: string): Health;
};

/**
 * The checks of one process. Ready means started, not draining, and every check says true. Checks
 * are synchronous looks at what a service knows already: a probe must never wait for a server.
 */
export class HealthChecks implements Health {
  readonly #checks = new Map<string, HealthCheck>();
  #phase: 'starting' | 'started' | 'draining' = 'starting';

  register(name: string, check: HealthCheck): Disposable {
    if (this.#checks.has(name)) throw new Error(`A health check named ${name} exists already.`);
    this.#checks.set(name, check);
    return { [Symbol.dispose]: () => void this.#checks.delete(name) };
  }

  within(prefix: string): Health {
    return {
      register: (name, check) => this.register(`${prefix}.${name}`, check),
      within: (inner) => this.within(`${prefix}.${inner}`),
    };
  }

  markStarted(): void {
    if (this.#phase === 'starting') this.#phase = 'started';
  }

  markDraining(): void {
    this.#phase = 'draining';
  }

  readiness(): Readiness {
    const failing: Record<string, string> = {};
    if (this.#phase !== 'started') failing.process = this.#phase;
    for (const [name, check] of this.#checks) {
      const verdict = runCheck(check);
      if (verdict !== true) failing[name] = verdict;
    }
    return { isReady: Object.keys(failing).length === 0, failing };
  }
}

function runCheck(check: HealthCheck): true | string {
  try {
    return check();
  } catch {
    return 'the check failed';
  }
}
