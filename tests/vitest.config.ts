import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // The official clients are a package of their own.
    exclude: [...configDefaults.exclude, 'clients/**'],
    testTimeout: 120_000,
    // The first start on a machine may fetch a server.
    hookTimeout: 300_000,
    // Each file of the end-to-end tests runs up to eleven processes.
    maxWorkers: 2,
  },
});
