import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Loading all anew for each file took more than the tests. What a file changes that others see,
    // such as the clock, it puts back.
    isolate: false,
    testTimeout: 30_000,
    // The first start on a machine may fetch a server.
    hookTimeout: 300_000,
  },
});
