import { RE2JS } from 're2js';
import { describe, expect, test, vi } from 'vitest';
import { compileRegex } from '../../../proxy/common/regex.ts';

function matches(source: string, value: string): boolean {
  const { value: regexTest, errors } = compileRegex(source);
  if (errors !== undefined) throw new Error(`${source} was refused: ${errors[0]?.message}`);
  return regexTest(value);
}

describe('a match', () => {
  test('is of the whole value, with or without anchors', () => {
    expect(matches('v[0-9]', 'v1')).toBe(true);
    expect(matches('v[0-9]', 'xv1')).toBe(false);
    expect(matches('v[0-9]', 'v12')).toBe(false);
    expect(matches('^v[0-9]$', 'v1')).toBe(true);
  });

  test('is case-sensitive unless the expression says otherwise', () => {
    expect(matches('canary', 'Canary')).toBe(false);
    expect(matches('(?i)canary', 'Canary')).toBe(true);
  });

  test('takes linear time where backtracking would not end', () => {
    expect(matches('(a*)*b', 'a'.repeat(10_000))).toBe(false);
  });
});

describe('shapes that string operations answer', () => {
  const sources = [
    '',
    '^$',
    '.*',
    '^.*$',
    '.+',
    '^.+$',
    'foo',
    '^foo$',
    'foo.*',
    '^foo.+$',
    'a\\.b',
    'a\\$',
    '\\$',
    '/api/v1/.*',
  ];
  const others = [
    'a.b',
    'foo|bar',
    '.+?',
    '^^a',
    'a$$',
    '\\d.*',
    'a\\\\$',
    'é.*',
    '𝒳.+',
    'fo+',
    '[f]oo',
    'x{2}.*',
    '\\pL.*',
  ];
  const values = [
    '',
    'foo',
    'foobar',
    'xfoo',
    'a.b',
    'axb',
    'a$',
    '$',
    'a\\',
    '/api/v1/',
    '/api/v1/x',
    '/api/v1/x\n',
    '\n',
    'foo\n',
    'é',
    '𝒳',
    '𝒳a',
    '\ud835',
    '1',
    'foo\r',
    '^a',
  ];

  test.each([...sources, ...others])('%j answers like the engine', (source) => {
    const engine = RE2JS.compile(source);
    for (const value of values) expect([value, matches(source, value)]).toEqual([value, engine.matches(value)]);
  });

  test.each(sources)('%j never reaches the engine', (source) => {
    const engine = vi.spyOn(RE2JS.prototype, 'testExact');
    for (const value of values) matches(source, value);
    expect(engine).not.toHaveBeenCalled();
    matches('a|b', 'a');
    expect(engine).toHaveBeenCalledOnce();
    engine.mockRestore();
  });
});

describe('what RE2 does not know is refused with a reason', () => {
  test.each(['(', '[', 'a{2000}', '(?=a)', '\\1', '*a'])('%j', (source) => {
    const { errors } = compileRegex(source);
    expect(errors).toHaveLength(1);
    expect(errors?.[0]?.message).toContain('must be an RE2 expression: error parsing regexp');
  });

  test('and so is what is too long to be meant', () => {
    expect(compileRegex('a'.repeat(1025)).errors).toEqual([
      { path: '', message: 'must have at most 1024 characters, got 1025' },
    ]);
    expect(compileRegex('a'.repeat(1024)).errors).toBeUndefined();
  });
});
