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
  expect(new RequestIds().next().slice(9)).not.toBe(new RequestIds().next().slice(9));
});

it('whoever samples by the first eight digits, as Envoy does, gets the share that it wants', () => {
  const ids = new RequestIds(Buffer.alloc(16, 3));
  const firstDigits = Array.from({ length: 100_000 }, () => parseInt(ids.next().slice(0, 8), 16));
  for (const share of [0.01, 0.1, 0.5]) {
    const sampled = firstDigits.filter((value) => value % 10_000 < share * 10_000).length / firstDigits.length;
    expect(sampled).toBeGreaterThan(share * 0.8);
    expect(sampled).toBeLessThan(share * 1.2);
  }
});
