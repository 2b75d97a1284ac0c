import { MemoryLimitStore } from '../src/memory-limit-store.ts';
import { limitStoreContract } from './limit-store.contract.ts';

limitStoreContract('MemoryLimitStore', { open: async () => new MemoryLimitStore() });
