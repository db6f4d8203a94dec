import { describe, expect, test } from 'vitest';
import { compileSubstitution } from '../../../proxy/common/regex-substitution.ts';

describe('a substitution', () => {
  test.each([
    ['^/service/([^/]+)(/.*)$', '\\2/instance/\\1', '/service/foo/v1/api', '/v1/api/instance/foo'],
    ['one', 'two', '/xxx/one/yyy/one/zzz', '/xxx/two/yyy/two/zzz'],
    ['^(.*?)one(.*)$', '\\1two\\2', '/xxx/one/yyy/one/zzz', '/xxx/two/yyy/one/zzz'],
    ['(?i)/xxx/', '/yyy/', '/aaa/XxX/bbb', '/aaa/yyy/bbb'],
    ['/a', '$1\\\\\\0', '/a', '$1\\/a'],
    ['/(a)|(b)', '[\\1\\2]', '/a', '[a]'],
    ['none', 'some', '/a', '/a'],
    ['(a)(b)', '\\12', 'ab', 'a2'],
    ['x*', '-', 'ab', '-a-b-'],
    ['(b)?', '[\\0]', 'abbc', '[]a[b][b]c[]'],
    ['b*', '-', 'abbc', '-a-c-'],
  ])('of %s by %s makes of %s %s', (pattern, substitution, text, replaced) => {
    expect(compileSubstitution(pattern, substitution).value?.(text)).toBe(replaced);
  });

  test.each([
    ['(a', 'b', /pattern must be an RE2 expression/],
    ['(?=a)', 'b', /pattern must be an RE2 expression/],
    ['(a)', '\\2', /one of 1 groups, got \\2/],
    ['a', '\\n', /a digit or a backslash behind each backslash/],
    ['a', 'b\\', /a digit or a backslash behind each backslash/],
  ])('of %s by %s is refused', (pattern, substitution, message) => {
    expect(compileSubstitution(pattern, substitution).errors?.[0]?.message).toMatch(message);
  });

  test('takes linear time where other engines take exponential time', () => {
    const startMs = performance.now();
    expect(compileSubstitution('(a+)+b', 'x').value?.('a'.repeat(2_000))).toBe('a'.repeat(2_000));
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });
});
