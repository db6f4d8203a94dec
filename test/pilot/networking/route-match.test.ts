import { describe, expect, test } from 'vitest';
import { buildRouteMatch, isCatchAll } from '../../../pilot/networking/route-match.ts';

describe('route match', () => {
  test('no match means every path', () => {
    expect(buildRouteMatch(undefined)).toEqual({ prefix: '/' });
    expect(buildRouteMatch({})).toEqual({ prefix: '/' });
  });

  test('exact is a path, prefix a raw string prefix, regex an RE2 regex', () => {
    expect(buildRouteMatch({ uri: { exact: '/foo' } })).toEqual({ path: '/foo' });
    expect(buildRouteMatch({ uri: { prefix: '/foo' } })).toEqual({ prefix: '/foo' });
    expect(buildRouteMatch({ uri: { regex: '/f.o' } })).toEqual({ safe_regex: { regex: '/f.o' } });
  });

  test('ignoreUriCase applies to exact and prefix and never to a regex', () => {
    expect(buildRouteMatch({ uri: { exact: '/a' }, ignoreUriCase: true })).toEqual({
      path: '/a',
      case_sensitive: false,
    });
    expect(buildRouteMatch({ uri: { prefix: '/a' }, ignoreUriCase: true })).toEqual({
      prefix: '/a',
      case_sensitive: false,
    });
    expect(buildRouteMatch({ uri: { regex: '/a' }, ignoreUriCase: true })).toEqual({ safe_regex: { regex: '/a' } });
  });

  test('conditions on headers are string matches, all of them in one match', () => {
    const match = { headers: { 'x-a': { exact: '1' }, 'x-b': { prefix: '2' }, testuser: { regex: '^.+$' } } };
    expect(buildRouteMatch(match).headers).toEqual([
      { name: 'x-a', string_match: { exact: '1' } },
      { name: 'x-b', string_match: { prefix: '2' } },
      { name: 'testuser', string_match: { safe_regex: { regex: '^.+$' } } },
    ]);
  });

  test('the parts of the start line may stand among the headers, as in Envoy', () => {
    const headers = { ':method': { exact: 'POST' }, ':path': { prefix: '/a?b=' } };
    const match = { headers, withoutHeaders: { ':authority': { exact: 'a' } } };
    expect(buildRouteMatch(match).headers).toEqual([
      { name: ':method', string_match: { exact: 'POST' } },
      { name: ':path', string_match: { prefix: '/a?b=' } },
      { name: ':authority', string_match: { exact: 'a' }, invert_match: true, treat_missing_header_as_empty: true },
    ]);
  });

  test('an empty match and the regex * ask for presence', () => {
    const headers = [{ name: 'x-a', present_match: true }];
    expect(buildRouteMatch({ headers: { 'x-a': {} } }).headers).toEqual(headers);
    expect(buildRouteMatch({ headers: { 'x-a': { regex: '*' } } }).headers).toEqual(headers);
  });

  test('withoutHeaders inverts, and a missing header counts as empty', () => {
    expect(buildRouteMatch({ withoutHeaders: { 'x-a': { exact: '1' } } }).headers).toEqual([
      { name: 'x-a', string_match: { exact: '1' }, invert_match: true, treat_missing_header_as_empty: true },
    ]);
  });

  test('withoutHeaders by presence asks for absence', () => {
    const headers = [{ name: 'x-a', present_match: true, invert_match: true }];
    expect(buildRouteMatch({ withoutHeaders: { 'x-a': {} } }).headers).toEqual(headers);
  });

  test.each([
    ['the prefix /', { uri: { prefix: '/' } }, true],
    ['the regex .*', { uri: { regex: '.*' } }, true],
    ['nothing', undefined, true],
    ['the prefix / with a header', { uri: { prefix: '/' }, headers: { a: {} } }, false],
    ['the prefix / without a header', { withoutHeaders: { a: {} } }, false],
    ['another prefix', { uri: { prefix: '/a' } }, false],
    ['the exact path /', { uri: { exact: '/' } }, false],
  ])('%s is a catch-all or not', (_name, match, expected) => {
    expect(isCatchAll(buildRouteMatch(match))).toBe(expected);
  });
});
