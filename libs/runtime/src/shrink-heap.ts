/**
 * Gives back what a start leaves in the heap of this thread: garbage, and room for young objects that V8
 * would otherwise keep until the first busy hour, 30 MB of the embedded gateway's main thread and 5 MB of
 * its database's. To be called before anybody is told that the process is there, since it takes up to
 * 60 ms. Does nothing without Node's `--expose-gc`, which `infra/npm/run.mjs` gives.
 *
 * It has an entry of its own, so that a thread that needs nothing else does not load the rest.
 */
export async function shrinkHeap(): Promise<void> {
  await globalThis.gc?.({ type: 'major', execution: 'async', flavor: 'last-resort' });
}
