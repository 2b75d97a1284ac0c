import { MemoryLimitStore } from '../src/memory-limit-store.ts';
import { limitStoreContract } from './limit-store.contract.ts';
import { slotStoreContract } from './slot-store.contract.ts';

const underTest = {
  open: async (options?: { readonly slotLeaseMs: number }) => new MemoryLimitStore(options),
};

limitStoreContract('MemoryLimitStore', underTest);
slotStoreContract('MemoryLimitStore', underTest);
