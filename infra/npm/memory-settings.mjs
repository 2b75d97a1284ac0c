/**
 * How the gateway's process is told to keep its memory small. The Dockerfile says the same.
 *
 * Compiling the embedded database leaves glibc's allocator with 40 MB more when each thread has an arena
 * of its own and free memory is kept; neither setting can be made once a process runs. The collection
 * that `--expose-gc` allows gives back another 25 MB when the gateway has started. More room for
 * young objects (--max-semi-space-size) than V8's own 16 MB saves no CPU that could be measured, less
 * costs a fifth.
 */
export const MEMORY_ENVIRONMENT = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' };
export const MEMORY_FLAGS = ['--expose-gc'];
