import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The embedded database takes seconds for its first start.
  test: { testTimeout: 180_000, hookTimeout: 180_000 },
});
