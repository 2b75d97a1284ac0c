/** What lies in Redis after a run: stored answers, and slots that are taken. */
import { Redis } from 'ioredis';
import type { CachedAnswer } from './history.ts';
import { CANARIES } from './workload.ts';

/** The databases of the rate limiter and of the cache. */
const LIMITS = 0;
const ANSWERS = 1;
const SCAN_COUNT = 500;

/** Runs the work on one database of a server. Rejects while it does not answer. */
async function connected<T>(
  url: string,
  database: number,
  work: (redis: Redis) => Promise<T>,
): Promise<T> {
  const redis = new Redis(url, { db: database, lazyConnect: true, retryStrategy: () => null });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

async function keysLike(redis: Redis, pattern: string): Promise<string[]> {
  const keys = new Set<string>();
  let cursor = '0';
  do {
    const [next, page] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT);
    for (const key of page) keys.add(key);
    cursor = next;
  } while (cursor !== '0');
  return [...keys];
}

/** Leases of slots that have not ended. */
export function takenSlots(url: string): Promise<number> {
  return connected(url, LIMITS, async (redis) => {
    const [seconds] = await redis.time();
    const now = Number(seconds) * 1_000;
    const keys = await keysLike(redis, '*:concurrency');
    const counts = await Promise.all(keys.map((key) => redis.zcount(key, now, '+inf')));
    return counts.reduce((sum, count) => sum + count, 0);
  });
}

/** Each stored answer with the tenant in its name and the canaries in it. */
export function cachedAnswers(url: string): Promise<CachedAnswer[]> {
  return connected(url, ANSWERS, async (redis) => {
    const keys = await keysLike(redis, 'cache:*');
    return Promise.all(
      keys.map(async (key) => {
        const text = (await redis.getBuffer(key))?.toString('utf8') ?? '';
        return {
          tenant: key.split(':')[1] ?? '',
          canaries: Object.values(CANARIES).filter((canary) => text.includes(canary)),
        };
      }),
    );
  });
}
