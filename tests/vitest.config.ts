import { configDefaults, defineConfig } from 'vitest/config';

/** The faults that are met in every run; `npm run test:failure` meets all of them. */
const QUICK_FAULTS = [
  'client-leaves',
  'killed-ingress',
  'killed-worker-before-first-byte',
  'killed-worker-mid-stream',
  'nats-hung',
  'nats-restart',
  'poison-events',
];

export default defineConfig({
  test: {
    testTimeout: 120_000,
    // The first start on a machine may fetch a server.
    hookTimeout: 300_000,
    // Each file of the end-to-end tests runs up to eleven processes.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'promises',
          // The official clients are a package of their own.
          exclude: [...configDefaults.exclude, 'clients/**', 'failure/**'],
        },
      },
      {
        extends: true,
        test: { name: 'faults', include: QUICK_FAULTS.map((name) => `failure/${name}.test.ts`) },
      },
    ],
  },
});
