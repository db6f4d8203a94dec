import { describe, expect, it } from 'vitest';
import { rotate } from '../../bench/rounds.ts';

describe('the order of peers', () => {
  it('begins with another peer in each round', () => {
    expect([0, 1, 2, 3].map((round) => rotate(['a', 'b', 'c'], round).join(''))).toEqual(['abc', 'bca', 'cab', 'abc']);
  });

  it('of nobody is empty', () => {
    expect(rotate([], 4)).toEqual([]);
  });
});
