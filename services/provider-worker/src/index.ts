export { readSettings, type VendorSettings, type WorkerSettings } from './config.ts';
export { startProviderWorker, type WorkerContext } from './provider-worker.ts';
