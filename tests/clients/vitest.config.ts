import { defineConfig } from 'vitest/config';

/** The same tests against both ways to run the gateway, each started once. */
export default defineConfig({
  test: {
    testTimeout: 60_000,
    // The first start on a machine may fetch a server.
    hookTimeout: 300_000,
    // Tests count what reaches the one provider of their gateway.
    fileParallelism: false,
    projects: ['embedded', 'stack'].map((name) => ({
      extends: true,
      test: { name, globalSetup: './gateway-main.ts', include: ['*.test.ts'] },
    })),
  },
});
