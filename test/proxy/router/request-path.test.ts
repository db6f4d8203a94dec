import { describe, expect, test } from 'vitest';
import { firstQueryValue, queryOf, withoutQuery } from '../../../proxy/router/request-path.ts';

describe('the first value of a parameter', () => {
  test.each([
    ['/?a=1', 'a', '1'],
    ['/?a=1&b=2', 'b', '2'],
    ['/?a=1&a=2', 'a', '1'],
    ['/?a', 'a', ''],
    ['/?a&b', 'a', ''],
    ['/?a=', 'a', ''],
    ['/?a=b=c', 'a', 'b=c'],
    ['/?ab=1&a=2', 'a', '2'],
    ['/?ba=1', 'a', undefined],
    ['/?', 'a', undefined],
    ['/a=1', 'a', undefined],
    ['/?&&a=1', 'a', '1'],
    ['/?b=?a=1', 'a', undefined],
    ['/?__proto__=1', '__proto__', '1'],
  ])('of %s, %s, is %j', (path, name, value) => {
    expect(firstQueryValue(path, name)).toBe(value);
  });
});

test.each([
  ['/a?b?c', '/a', '?b?c'],
  ['/a', '/a', ''],
  ['/a?', '/a', '?'],
])('%s is the path %s and the query %j', (path, before, query) => {
  expect([withoutQuery(path), queryOf(path)]).toEqual([before, query]);
});
