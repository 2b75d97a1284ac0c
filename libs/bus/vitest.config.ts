import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    testTimeout: 30_000,
    // The first start on a machine may fetch a server.
    hookTimeout: 300_000,
  },
});
