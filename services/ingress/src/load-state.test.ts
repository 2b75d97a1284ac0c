import { describe, expect, test } from 'vitest';
import { CALM, type LoadSample, type LoadState, nextLoadState } from './load-state.ts';

function after(...samples: Partial<LoadSample>[]): LoadState {
  return samples.reduce<LoadState>(
    (state, sample) => nextLoadState(state, { lagMs: 0, heapShare: 0.1, ...sample }),
    CALM,
  );
}

describe('the lag of the event loop', () => {
  test('begins to count past 500 ms, twice in a row', () => {
    expect(after({ lagMs: 501 }).isLagging).toBe(false);
    expect(after({ lagMs: 501 }, { lagMs: 501 }).isLagging).toBe(true);
    expect(after({ lagMs: 500 }, { lagMs: 500 }).isLagging).toBe(false);
    expect(after({ lagMs: 501 }, { lagMs: 20 }, { lagMs: 501 }).isLagging).toBe(false);
  });

  test('ends below 250 ms', () => {
    const lagging = [{ lagMs: 600 }, { lagMs: 600 }];
    expect(after(...lagging, { lagMs: 250 }).isLagging).toBe(true);
    expect(after(...lagging, { lagMs: 249 }).isLagging).toBe(false);
  });
});

describe('the heap', () => {
  test('closes connections from 92 % until it is below 90 %', () => {
    expect(after({ heapShare: 0.919 }).closesConnections).toBe(false);
    expect(after({ heapShare: 0.92 }).closesConnections).toBe(true);
    expect(after({ heapShare: 0.92 }, { heapShare: 0.9 }).closesConnections).toBe(true);
    expect(after({ heapShare: 0.92 }, { heapShare: 0.899 }).closesConnections).toBe(false);
  });

  test('is full from 95 % until it is below 92 %', () => {
    expect(after({ heapShare: 0.949 }).isHeapFull).toBe(false);
    expect(after({ heapShare: 0.95 }).isHeapFull).toBe(true);
    expect(after({ heapShare: 0.95 }, { heapShare: 0.92 }).isHeapFull).toBe(true);
    expect(after({ heapShare: 0.95 }, { heapShare: 0.919 }).isHeapFull).toBe(false);
  });
});
