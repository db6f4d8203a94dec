import { describe, expect, test } from 'vitest';
import { HostTable } from '../../../pilot/model/host-table.ts';

const table = new HostTable([
  ['*', 'all'],
  ['*.com', 'com'],
  ['*.example.com', 'example'],
  ['www.example.com', 'www'],
]);

describe('host table', () => {
  test.each([
    ['www.example.com', 'www'],
    ['api.example.com', 'example'],
    ['a.b.example.com', 'example'],
    ['example.com', 'com'],
    ['example.org', 'all'],
    ['*.example.com', 'example'],
    ['*.api.example.com', 'example'],
  ])('%s finds the entry of %s', (hostname, expected) => {
    expect(table.find(hostname)).toBe(expected);
  });

  test('a table without a wildcard for a host finds nothing', () => {
    expect(new HostTable([['a.example.com', 1]]).find('b.example.com')).toBeUndefined();
  });
});
