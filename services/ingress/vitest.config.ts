import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Loading all anew for each file took more than the tests; nothing here is changed by one.
    isolate: false,
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
