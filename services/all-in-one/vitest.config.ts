import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The embedded database takes seconds for its first start.
  test: { testTimeout: 60_000, hookTimeout: 60_000 },
});
