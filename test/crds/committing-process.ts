/** A process that commits in a loop until it is killed, and prints what was acknowledged. Started by file-store-crash.test.ts. */
import { writeSync } from 'node:fs';
import { FileStore } from '../../crds/file-store.ts';
import { put } from './puts.ts';

const [, , directory = '', compactAtBytes = ''] = process.argv;
const store = new FileStore(directory, { compactAtBytes: Number(compactAtBytes) });
await store.open();
for (let n = store.revision; ; n += 1) {
  // Two resources each: of a transaction both are there, or none.
  const pairs = Array.from({ length: 3 }, (_, index) => `${n}-${index}`);
  const commits = pairs.map(async (id) => {
    const { revision } = await store.commit([put(`left-${id}`, { n }), put(`right-${id}`, { n }), put('last', { id })]);
    // Written at once: what a stream holds back would die with the process.
    writeSync(1, `${revision} ${id}\n`);
  });
  await Promise.all(commits);
}
