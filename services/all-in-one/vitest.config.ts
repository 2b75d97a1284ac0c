import { defineConfig } from 'vitest/config';

export default defineConfig({
  // A database takes seconds to be made, and many times that on a busy machine.
  test: { testTimeout: 180_000, hookTimeout: 180_000 },
});
