import { MemoryResponseStore } from '../src/memory-response-store.ts';
import { responseStoreContract } from './response-store.contract.ts';

responseStoreContract('MemoryResponseStore', async () => new MemoryResponseStore());
