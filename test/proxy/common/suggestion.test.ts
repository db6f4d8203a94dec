import { describe, expect, test } from 'vitest';
import { closest } from '../../../proxy/common/suggestion.ts';

const candidates = ['connect_timeout', 'name', 'type', 'lb_policy'];

describe('did you mean', () => {
  test('finds the name with the fewest differing letters', () => {
    expect(closest('conect_timeout', candidates)).toBe('connect_timeout');
    expect(closest('nam', candidates)).toBe('name');
    expect(closest('lbpolicy', candidates)).toBe('lb_policy');
  });

  test('says nothing when more than a third of the letters differ', () => {
    expect(closest('xyz', candidates)).toBeUndefined();
    expect(closest('timeout', candidates)).toBeUndefined();
    expect(closest('', candidates)).toBeUndefined();
  });

  test('does not measure names of absurd length', () => {
    expect(closest('n'.repeat(1_000_000), ['n'.repeat(1_000_000)])).toBeUndefined();
  });
});
