import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // A database takes seconds to be made, and many times that on a busy machine.
    testTimeout: 180_000,
    // The first start on a machine may fetch a server.
    hookTimeout: 300_000,
  },
});
