/**
 * True when all is well, or the reason why not, in words for an operator and without secrets. A remark is
 * worth knowing and keeps nothing from being ready.
 */
export type HealthCheck = () => true | string | { readonly remark: string };

export type Readiness = {
  readonly isReady: boolean;
  /** Names of failing checks, each with its reason. */
  readonly failing: Readonly<Record<string, string>>;
  /** Remarks of checks that do not fail, by their names; absent where there are none. */
  readonly remarks?: Readonly<Record<string, string>>;
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
    const remarks: Record<string, string> = {};
    if (this.#phase !== 'started') failing.process = this.#phase;
    for (const [name, check] of this.#checks) {
      const verdict = runCheck(check);
      if (typeof verdict === 'string') failing[name] = verdict;
      else if (verdict !== true) remarks[name] = verdict.remark;
    }
    const isReady = Object.keys(failing).length === 0;
    return { isReady, failing, ...(Object.keys(remarks).length > 0 && { remarks }) };
  }
}

function runCheck(check: HealthCheck): ReturnType<HealthCheck> {
  try {
    return check();
  } catch {
    return 'the check failed';
  }
}
