export { PAST_ADMISSIONS_MAX, type PastAdmissions } from './memory-limit-store.ts';
export {
  type RateLimiterContext,
  type RateLimiterSettings,
  startRateLimiter,
} from './rate-limiter.ts';
