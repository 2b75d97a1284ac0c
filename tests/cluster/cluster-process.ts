/** One process of a service: started, killed, paused and started again with the same settings. */
import { join } from 'node:path';
import type { ServiceName } from '@gateway/protocol';
import {
  type FaultProxy,
  type NodeProcess,
  type ProcessExit,
  repositoryRoot,
  startNodeProcess,
  waitFor,
} from '@gateway/testing';

const READY_TIMEOUT_MS = 30_000;
const EXIT_TIMEOUT_MS = 45_000;
const PROBE_TIMEOUT_MS = 1_000;

/** What a process connects to. `provider` is the simulator of all three vendors. */
export type LinkName = 'nats' | 'redis' | 'postgres' | 'provider';

export interface ClusterProcessOptions {
  readonly service: ServiceName;
  /** From 1. */
  readonly number: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly links: ReadonlyMap<LinkName, FaultProxy>;
  readonly operationsPort: number;
  readonly dataDirectory: string;
  /** Of an ingress. */
  readonly httpPort?: number;
  /** Flags of Node itself, for example `--import` of a failpoint. */
  readonly nodeArguments?: readonly string[];
}

export interface Readiness {
  readonly status: string;
  readonly failing: Readonly<Record<string, string>>;
}

export class ClusterProcess {
  /** Such as `provider-worker-2`. */
  readonly id: string;
  readonly service: ServiceName;
  readonly operationsUrl: string;
  /** The process' own; it stays over kills and restarts. */
  readonly dataDirectory: string;
  readonly #options: ClusterProcessOptions;
  readonly #incarnations: NodeProcess[] = [];

  constructor(options: ClusterProcessOptions) {
    this.id = `${options.service}-${options.number}`;
    this.service = options.service;
    this.operationsUrl = `http://127.0.0.1:${options.operationsPort}`;
    this.dataDirectory = options.dataDirectory;
    this.#options = options;
  }

  /** Where clients reach an ingress. */
  get baseUrl(): string {
    const { httpPort } = this.#options;
    if (httpPort === undefined) throw new Error(`${this.id} is no ingress`);
    return `http://127.0.0.1:${httpPort}`;
  }

  /** The present process, or the last one. */
  get node(): NodeProcess {
    const newest = this.#incarnations.at(-1);
    if (newest === undefined) throw new Error(`${this.id} was never started`);
    return newest;
  }

  get isRunning(): boolean {
    const newest = this.#incarnations.at(-1);
    return newest !== undefined && newest.exit === undefined;
  }

  /** Log records of all incarnations, each the newest 10,000. */
  get records() {
    return this.#incarnations.flatMap(({ records }) => records);
  }

  /** All output of all incarnations, each the newest 10,000 lines. */
  get lines() {
    return this.#incarnations.flatMap(({ lines }) => lines);
  }

  /** The fault proxy before a server. Throws where the cluster was not asked for one. */
  link(name: LinkName): FaultProxy {
    const proxy = this.#options.links.get(name);
    if (proxy === undefined) throw new Error(`${this.id} has no proxy to ${name}`);
    return proxy;
  }

  /** Starts the process without waiting for it, with more settings or other flags when given. */
  launch(
    more: {
      readonly environment?: Readonly<Record<string, string>>;
      readonly nodeArguments?: readonly string[];
    } = {},
  ): void {
    if (this.isRunning) throw new Error(`${this.id} runs already`);
    const { environment, nodeArguments = [], service } = this.#options;
    this.#incarnations.push(
      startNodeProcess({
        script: join(repositoryRoot, `services/${service}/src/main.ts`),
        environment: { ...environment, ...more.environment },
        workingDirectory: repositoryRoot,
        nodeArguments: [...nodeArguments, ...(more.nodeArguments ?? [])],
      }),
    );
  }

  /** Starts the process and resolves when it is ready. */
  async start(more?: Parameters<ClusterProcess['launch']>[0]): Promise<void> {
    this.launch(more);
    await this.ready();
  }

  /** Resolves when `/readyz` says so; rejects after 30 s, or with its last lines when it ends. */
  ready(timeoutMs = READY_TIMEOUT_MS): Promise<void> {
    return this.node.waitForHttp(`${this.operationsUrl}/readyz`, timeoutMs);
  }

  /** Resolves when `/readyz` answers that it is not ready. */
  notReady(timeoutMs = READY_TIMEOUT_MS): Promise<Readiness> {
    const isNotReady = async () => {
      const readiness = await this.readiness();
      return readiness.status !== 'ready' && readiness;
    };
    return waitFor(isNotReady, { what: `${this.id} not to be ready`, timeoutMs });
  }

  async readiness(): Promise<Readiness> {
    return (await (await this.#ask('/readyz')).json()) as Readiness;
  }

  /** The text of `/metrics`. */
  async metrics(): Promise<string> {
    return (await this.#ask('/metrics')).text();
  }

  /** The sum of a metric over its labels; 0 when there is none. */
  async metric(name: string): Promise<number> {
    const lines = (await this.metrics()).split('\n');
    const values = lines
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .map((line) => Number(line.slice(line.lastIndexOf(' '))));
    return values.reduce((total, value) => total + value, 0);
  }

  /** SIGKILL; resolves once the process is gone. */
  async kill(): Promise<void> {
    this.node.kill('SIGKILL');
    await this.node.waitExit(EXIT_TIMEOUT_MS);
  }

  /** SIGTERM; resolves with its end, once it has drained. */
  async terminate(): Promise<ProcessExit> {
    this.node.kill('SIGTERM');
    return this.node.waitExit(EXIT_TIMEOUT_MS);
  }

  /** Kills (default) or drains the process and starts it again; resolves when it is ready. */
  async restart(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    await (signal === 'SIGKILL' ? this.kill() : this.terminate());
    await this.start();
  }

  /** SIGSTOP, in effect on return. */
  pause(): void {
    this.node.pause();
  }

  /** SIGCONT. */
  resume(): void {
    this.node.resume();
  }

  /** Ends it however it is: SIGTERM, and SIGKILL after 15 s. */
  async stop(): Promise<void> {
    if (this.isRunning) await this.node.stop();
  }

  #ask(path: string): Promise<Response> {
    const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
    return fetch(`${this.operationsUrl}${path}`, { signal });
  }
}
