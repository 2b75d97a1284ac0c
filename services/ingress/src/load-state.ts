/** When a process has more to do than it can, from two measures of it. Pure. */

const LAG_MS_MAX = 500;
const LAG_MS_CALM = 250;
/** One pause, such as a large collection of garbage, is no overload. */
const LAGS_IN_A_ROW = 2;
const HEAP_SHARE_MAX = 0.95;
/** From here on connections are closed after their answers, which frees what they hold. */
const HEAP_SHARE_CLOSING = 0.92;
const HEAP_SHARE_CALM = 0.9;

export interface LoadSample {
  /** Mean delay of the event loop since the sample before, in milliseconds. */
  readonly lagMs: number;
  /** The part of the heap's limit that is in use, 0 to 1. */
  readonly heapShare: number;
}

export interface LoadState {
  /** Samples with too much lag in a row. */
  readonly lags: number;
  readonly isLagging: boolean;
  readonly isHeapFull: boolean;
  readonly closesConnections: boolean;
}

export const CALM: LoadState = {
  lags: 0,
  isLagging: false,
  isHeapFull: false,
  closesConnections: false,
};

/** Each guard ends at a lower measure than it begins at, so that none of them flaps. */
export function nextLoadState(before: LoadState, { lagMs, heapShare }: LoadSample): LoadState {
  const lags = lagMs > LAG_MS_MAX ? Math.min(before.lags + 1, LAGS_IN_A_ROW) : 0;
  return {
    lags,
    isLagging: before.isLagging ? lagMs >= LAG_MS_CALM : lags >= LAGS_IN_A_ROW,
    isHeapFull: heapShare >= (before.isHeapFull ? HEAP_SHARE_CLOSING : HEAP_SHARE_MAX),
    closesConnections:
      heapShare >= (before.closesConnections ? HEAP_SHARE_CALM : HEAP_SHARE_CLOSING),
  };
}
