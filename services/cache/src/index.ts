export { type CacheContext, type CacheSettings, startCache } from './cache.ts';
