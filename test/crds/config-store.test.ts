import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { FileStore } from '../../crds/file-store.ts';
import { MemoryStore } from '../../crds/memory-store.ts';
import { describeConfigStore } from './store-conformance.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

describeConfigStore('MemoryStore', (dependencies) => new MemoryStore(dependencies));
describeConfigStore('FileStore', (dependencies) => new FileStore(mkdtempSync(join(folder, 'a-')), dependencies));
describeConfigStore(
  'FileStore that compacts after every commit',
  (dependencies) => new FileStore(mkdtempSync(join(folder, 'b-')), { ...dependencies, compactAtBytes: 1 }),
);
