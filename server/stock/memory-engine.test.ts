import { describe } from 'vitest';
import { MemoryStockEngine } from './memory-engine.ts';
import { describeStockEngine } from './stock-engine.contract.ts';

describe('in-process gate', () => describeStockEngine(async (parts) => new MemoryStockEngine(parts)));
