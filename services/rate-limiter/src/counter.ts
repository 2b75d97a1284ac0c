/** What the memory of one process counts for a limit. Moments are whole milliseconds since 1970. */
export interface Counter {
  /** What the limit has left for this request, before it is counted. */
  state(requestId: string, amount: number, nowMs: number): CounterState;
  /** Counts the request. */
  take(requestId: string, nowMs: number): void;
  /** When nothing counts any more. */
  readonly freeAtMs: number;
}

export interface CounterState {
  readonly remaining: number;
  /** Until everything counted now is free again. */
  readonly resetMs: number;
  /** Until one more fits; 0 when it fits now. */
  readonly retryAfterMs: number;
}
