/** What the driver is told to do, and what it says it saw. Both cross between processes as JSON. */

export interface Load {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Written as it is, with `COUNTER` replaced by another number of as many digits each time. */
  readonly body: string;
  readonly expectedStatus: number;
  /** Opened before the load begins. */
  readonly connections: number;
  readonly durationMs: number;
  /**
   * Requests in a second, sent whether or not earlier ones were answered. Without it, each
   * connection asks again as soon as it has its answer.
   */
  readonly ratePerSecond?: number;
  /** Ends the load early. */
  readonly requestsMax?: number;
}

/** Milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export interface LoadResult {
  /** Answered as expected, after the end of the load too. */
  readonly requests: number;
  /** Of these, answers that a cache had. */
  readonly cacheHits: number;
  /** Answered otherwise, or not at all. */
  readonly failures: number;
  /** What went wrong first. */
  readonly firstFailure: string | undefined;
  readonly requestsPerSecond: number;
  readonly latencyMs: Percentiles;
  /** How late the driver itself was with requests at a rate. */
  readonly latenessMs: Percentiles;
  /** Of streams. */
  readonly chunks: number;
  readonly firstChunkMs: Percentiles;
  /** From the moment the upstream wrote a chunk until the driver had it. */
  readonly chunkDelayMs: Percentiles;
  readonly driverCpuMicroseconds: number;
}

/** Stands in a body for the number of the request. */
export const COUNTER = '000000000000';
