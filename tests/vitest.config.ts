import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    testTimeout: 120_000,
    // The first start on a machine may fetch a server.
    hookTimeout: 300_000,
    // Each file of the end-to-end tests runs up to eleven processes.
    maxWorkers: 2,
  },
});
