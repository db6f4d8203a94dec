import { describe, expect, test } from 'vitest';
import { LimitPool, type Spender } from '../../../mixer/policy/limit-pool.ts';
import { waterLevel } from '../../../mixer/policy/water-level.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const stepMs = 200;
const ttlMs = 3_000;

/** Sidecars that spend what they want of their slices and report every 200 ms, one after the other. */
class Spenders {
  readonly pool: LimitPool;
  readonly #spenders: { readonly spender: Spender; slice: number; used: number }[] = [];
  nowMs = 0;

  constructor(count: number, requests: number, { intervalMs = 1_000, burst = requests } = {}) {
    this.pool = new LimitPool({ requests, intervalMs, burst }, 0);
    for (let i = 0; i < count; i += 1) this.add();
  }

  add(): void {
    this.#spenders.push({ spender: this.pool.join(), slice: 0, used: 0 });
  }

  /** One reporting interval in which each wants so many requests; whether each reports. */
  step(wants: readonly number[], reports: (index: number) => boolean = () => true): void {
    for (const [i, each] of this.#spenders.entries()) {
      const want = wants[i] ?? 0;
      const passed = Math.min(want, each.slice);
      each.slice -= passed;
      each.used += passed;
      if (!reports(i)) continue;
      const usage = { allowedCount: passed, deniedCount: want - passed, elapsedMs: stepMs };
      this.pool.report(each.spender, usage, this.nowMs);
      each.slice = this.pool.grant(each.spender, this.nowMs, ttlMs);
    }
    this.nowMs += stepMs;
  }

  leave(index: number): void {
    const [gone] = this.#spenders.splice(index, 1);
    if (gone !== undefined) this.pool.leave(gone.spender);
  }

  /** So far, of each. */
  get used(): number[] {
    return this.#spenders.map(({ used }) => used);
  }

  get total(): number {
    return this.used.reduce((sum, used) => sum + used, 0);
  }
}

describe('a global limit', () => {
  test('is never passed by 10 sidecars together, whatever they want when: burst and what came back', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const random = seededRandom(seed);
      const mesh = new Spenders(10, 100, { burst: 150 });
      for (let i = 0; i < 300; i += 1) {
        mesh.step(Array.from({ length: 10 }, () => (random() < 0.3 ? 0 : Math.floor(random() * 40))));
        expect(mesh.total).toBeLessThanOrEqual(150 + (100 * mesh.nowMs) / 1_000);
      }
    }
  });

  test('is used up where more is wanted: no token is lost between the slices', () => {
    const mesh = new Spenders(10, 100);
    for (let i = 0; i < 100; i += 1) mesh.step(Array.from({ length: 10 }, () => 50));
    const possible = 100 + (100 * mesh.nowMs) / 1_000;
    expect(mesh.total).toBeGreaterThan(possible * 0.95);
    expect(mesh.total).toBeLessThanOrEqual(possible);
  });

  test('is divided max-min fairly: who wants little gets it, the others get equal parts', () => {
    const mesh = new Spenders(4, 100);
    for (let i = 0; i < 50; i += 1) mesh.step([1, 100, 100, 100]);
    const before = mesh.used;
    for (let i = 0; i < 50; i += 1) mesh.step([1, 100, 100, 100]);
    const gained = mesh.used.map((used, i) => used - (before[i] ?? 0));
    expect(gained[0]).toBe(50);
    // 1,000 tokens come back in these 10 s.
    for (const part of gained.slice(1)) expect(part).toBeGreaterThan(950 / 3 - 20);
    expect(Math.max(...gained) - Math.min(...gained.slice(1))).toBeLessThan(40);
  });

  test('that is smaller than the number of sidecars is given in turn', () => {
    const mesh = new Spenders(10, 3);
    for (let i = 0; i < 200; i += 1) mesh.step(Array.from({ length: 10 }, () => 5));
    expect(mesh.total).toBeGreaterThan(3 * 40 * 0.9);
    expect(mesh.total).toBeLessThanOrEqual(3 + 3 * 40);
    expect(Math.max(...mesh.used) - Math.min(...mesh.used)).toBeLessThanOrEqual(4);
  });

  test('is all there for one that begins after a quiet time', () => {
    const mesh = new Spenders(1, 100);
    mesh.step([0]);
    mesh.step([500]);
    expect(mesh.used).toEqual([100]);
  });

  test('gets the slice of an instance back that is gone: after its time and not before', () => {
    const mesh = new Spenders(2, 10, { intervalMs: 3_600_000 });
    mesh.step([0, 0]);
    mesh.step([0, 0]);
    // Half of the ten is its own, unspent.
    mesh.leave(0);
    for (let i = 0; mesh.nowMs < 3_000; i += 1) mesh.step([100]);
    expect(mesh.total).toBe(5);
    for (let i = 0; i < 10; i += 1) mesh.step([100]);
    expect(mesh.total).toBe(10);
    expect(mesh.pool.spenderCount).toBe(1);
  });

  test('takes what was spent between a report and its answer from what comes next, at most a burst', () => {
    const pool = new LimitPool({ requests: 10, intervalMs: 1_000, burst: 10 }, 0);
    const spender = pool.join();
    pool.report(spender, { allowedCount: 18, deniedCount: 0, elapsedMs: 200 }, 0);
    expect(pool.grant(spender, 0, ttlMs)).toBe(0);
    expect(pool.grant(spender, 700, ttlMs)).toBe(0);
    expect(pool.grant(spender, 1_000, ttlMs)).toBeGreaterThan(0);
    pool.report(spender, { allowedCount: 1e12, deniedCount: 0, elapsedMs: 200 }, 1_000);
    expect(pool.tokens).toBe(-10);
  });

  test('is not moved by a clock that stands still or goes back', () => {
    const mesh = new Spenders(1, 100);
    mesh.step([0]);
    const { tokens } = mesh.pool;
    const spender = mesh.pool.join();
    mesh.pool.report(spender, { allowedCount: 0, deniedCount: 1, elapsedMs: 0 }, -5_000);
    expect(mesh.pool.tokens).toBe(tokens);
    expect(spender.demandPerMs).toBe(1);
  });
});

describe('the level of max-min fairness', () => {
  test.each([
    [[], 10, Number.POSITIVE_INFINITY],
    [[1, 2, 3], 6, Number.POSITIVE_INFINITY],
    [[1, 2, 3], 3, 1],
    [[1, 10, 10], 11, 5],
    [[10, 1, 4], 9, 4],
    [[5], 0, 0],
  ])('of wants %j and %d available is %d', (wants, available, level) => {
    expect(waterLevel(wants, available)).toBe(level);
  });
});
