import { expect, it } from 'vitest';
import { RequestIds } from '../../../proxy/http/request-id.ts';

const uuid4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

it('every id has the form of a version 4 UUID, whatever was drawn', () => {
  for (let byte = 0; byte < 256; byte++) {
    expect(new RequestIds(Buffer.alloc(16, byte)).next()).toMatch(uuid4);
  }
});

it('ids do not repeat, across many blocks', () => {
  const ids = new RequestIds(Buffer.alloc(16, 7));
  const seen = new Set(Array.from({ length: 50_000 }, () => ids.next()));
  expect(seen.size).toBe(50_000);
});

it('the counter begins again behind its last block, in the same form', () => {
  const ids = new RequestIds(Buffer.alloc(16, 255));
  const seen = new Set(Array.from({ length: 10_000 }, () => ids.next()));
  expect(seen.size).toBe(10_000);
  for (const id of seen) expect(id).toMatch(uuid4);
});

it('two processes draw different ids', () => {
  expect(new RequestIds().next().slice(0, 23)).not.toBe(new RequestIds().next().slice(0, 23));
});
