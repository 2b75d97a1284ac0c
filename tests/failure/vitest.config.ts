import { defineConfig } from 'vitest/config';

/** `npm run test:failure`: every fault, one file at a time, so that none is slowed down by another. */
export default defineConfig({
  test: {
    testTimeout: 120_000,
    // The first start on a machine may fetch a server.
    hookTimeout: 300_000,
    fileParallelism: false,
  },
});
