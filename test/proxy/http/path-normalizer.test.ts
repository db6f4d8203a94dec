import { describe, expect, test } from 'vitest';
import { createPathNormalizer } from '../../../proxy/http/path-normalizer.ts';

describe('R10: a path in its normal form', () => {
  const normalize = createPathNormalizer({ normalizesPath: true, mergesSlashes: false });

  test.each([
    ['/', '/'],
    ['/a/b', '/a/b'],
    ['/a/./b', '/a/b'],
    ['/a/../b', '/b'],
    ['/a/b/..', '/a/'],
    ['/a/.', '/a/'],
    ['/../../a', '/a'],
    ['/..', '/'],
    ['/a/%2e%2E/b', '/b'],
    ['/%41%7e%2D', '/A~-'],
    ['/a%2Fb%2fc', '/a%2Fb%2fc'],
    ['/a%zz%4', '/a%zz%4'],
    ['/%252e%252e/a', '/%252e%252e/a'],
    ['/a\\..\\b', '/b'],
    ['/a//b', '/a//b'],
    ['/a//../b', '/a/b'],
    ['/a/.hidden/...', '/a/.hidden/...'],
    ['/a/../b?c=/x/../y\\%41', '/b?c=/x/../y\\%41'],
    ['/a?/../b', '/a?/../b'],
    ['/a?%00', '/a?%00'],
    ['*', '*'],
  ])('%s becomes %s', (path, normal) => {
    expect(normalize?.(path)).toBe(normal);
    expect(normalize?.(normal)).toBe(normal);
  });
});

test('R10: a path with a NUL has none', () => {
  const normalize = createPathNormalizer({ normalizesPath: true, mergesSlashes: false });
  expect(normalize?.('/a%00.html')).toBeUndefined();
});

test('R10: slashes are merged only when that is asked for, and not in the query', () => {
  const merge = createPathNormalizer({ normalizesPath: false, mergesSlashes: true });
  expect(merge?.('//a///b/../c?d=//e')).toBe('/a/b/../c?d=//e');
  const both = createPathNormalizer({ normalizesPath: true, mergesSlashes: true });
  expect(both?.('//a//..//b')).toBe('/a/b');
});

test('without either nothing is done', () => {
  expect(createPathNormalizer({ normalizesPath: false, mergesSlashes: false })).toBeUndefined();
});
