/**
 * How a process of the gateway is told to keep its memory small, and its collector quiet. The Dockerfile
 * says the same.
 *
 * Compiling the embedded database leaves glibc's allocator with 40 MB more when each thread has an arena
 * of its own and free memory is kept; neither setting can be made once a process runs. The collection
 * that `--expose-gc` allows gives back another 25 MB when the gateway has started. More room for
 * young objects (--max-semi-space-size) than V8's own 16 MB saves no CPU that could be measured, less
 * costs a fifth.
 *
 * V8 marks and moves objects on four threads beside the main one, Node's default, which on two processors
 * take the processor from it: the 99th percentile at 2,000 requests/s was 71 to 134 ms with four and 24 ms
 * with one.
 */
export const MEMORY_ENVIRONMENT = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' };
export const MEMORY_FLAGS = ['--expose-gc', '--v8-pool-size=1'];
