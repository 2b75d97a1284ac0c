import { join } from 'node:path';
import { repositoryRoot, startNodeProcess } from '@gateway/testing';
import { expect, test } from 'vitest';

const EXIT_WRONG_SETTINGS = 78;
const EXIT_TIMEOUT_MS = 30_000;

/** A secret in the wrong place is still a secret. */
const MISPLACED = 'a-key-in-the-wrong-variable';

const everywhere = { LOG_LEVEL: 'loud', GATEWAY_METRICS_PORT: '-1', GATEWAY_DRAIN_SECONDS: 'soon' };
const onNats = { ...everywhere, NATS_URL: 'http://127.0.0.1:4222' };
const ofIngress = {
  GATEWAY_PORT: '65536',
  GATEWAY_MAX_BODY_BYTES: '32M',
  GATEWAY_API_KEY: 'short',
  RATE_LIMIT_REQUESTS: '0',
  RATE_LIMIT_WINDOW: MISPLACED,
};
const ofWorker = { WORKER_CONCURRENCY: '0', OPENAI_BASE_URL: `ftp://${MISPLACED}/v1` };

/** Wrong settings of each process; those of `missing` are needed and not set. */
const processes: readonly {
  readonly service: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly missing: readonly string[];
}[] = [
  {
    service: 'ingress',
    settings: { ...onNats, ...ofIngress },
    missing: ['GATEWAY_KEY_PEPPER'],
  },
  { service: 'rate-limiter', settings: onNats, missing: ['REDIS_URL'] },
  { service: 'cache', settings: { ...onNats, REDIS_URL: `postgres://${MISPLACED}` }, missing: [] },
  { service: 'provider-worker', settings: { ...everywhere, ...ofWorker }, missing: ['NATS_URL'] },
  { service: 'audit-writer', settings: onNats, missing: ['DATABASE_URL'] },
  { service: 'all-in-one', settings: { ...everywhere, ...ofIngress, ...ofWorker }, missing: [] },
];

test.each(processes)(
  '$service names all wrong settings at once and ends with 78',
  async (wrong) => {
    const { service, settings, missing } = wrong;
    const script = join(repositoryRoot, `services/${service}/src/main.ts`);
    await using started = startNodeProcess({ script, environment: settings });
    const exit = await started.waitExit(EXIT_TIMEOUT_MS);
    expect(exit).toEqual({ code: EXIT_WRONG_SETTINGS, signal: null });
    const [title, ...problems] = started.lines;
    expect(title).toBe(`${service} cannot start, settings are wrong:`);
    const names = problems.map((line) => /^ {2}- ([A-Z_]+) /.exec(line)?.[1]);
    expect(names.sort()).toEqual([...Object.keys(settings), ...missing].sort());
    expect(started.lines.join('\n')).not.toContain(MISPLACED);
  },
);
