import { describe, expect, it } from 'vitest';
import { hashHeaderName } from '../../../../proxy/http/header-name.ts';
import { HeaderField } from '../../../../proxy/http2/header-field.ts';

function isValid(name: string, value: string): boolean {
  return new HeaderField(name, value).isValid;
}

it('a field knows its size, its hash and its line', () => {
  expect(new HeaderField('x-a', 'bc')).toMatchObject({
    name: 'x-a',
    value: 'bc',
    sizeBytes: 37,
    hash: hashHeaderName('X-A'),
    line: 'x-a: bc\r\n',
    isValid: true,
  });
});

describe('a name', () => {
  it.each(['a', 'x-y', ':path', ':anything', "!#$%&'*+-.^_`|~09az"])('may be %s', (name) => {
    expect(isValid(name, '')).toBe(true);
  });

  it.each(['', ':', '::a', 'a:', 'a:b', ':a:', 'A', 'x-Y', ':Path', 'a b', ' a', 'a ', 'a\t', 'a\r', 'a\n', 'a\0'])(
    'may not be %j',
    (name) => {
      expect(isValid(name, '')).toBe(false);
    },
  );

  it('has none of the bytes that are no token', () => {
    for (let code = 0; code < 256; code++) {
      const char = String.fromCharCode(code);
      expect(isValid(`a${char}a`, ''), `byte ${code}`).toBe(/[!#$%&'*+\-.^_`|~0-9a-z]/.test(char));
    }
  });
});

describe('a value', () => {
  it.each(['', 'a', 'a b', 'a\tb', '\x80', 'ÿ', '"', ','])('may be %j', (value) => {
    expect(isValid('a', value)).toBe(true);
  });

  it.each([' ', '\t', ' a', 'a ', '\ta', 'a\t', 'a\r\nb: c', 'a\nb', 'a\rb', 'a\0b', '\x7f'])(
    'may not be %j',
    (value) => {
      expect(isValid('a', value)).toBe(false);
    },
  );

  it('has none of the control bytes but tab', () => {
    for (let code = 0; code < 256; code++) {
      const expected = code === 9 || (code >= 32 && code !== 127);
      expect(isValid('a', `a${String.fromCharCode(code)}a`), `byte ${code}`).toBe(expected);
    }
  });

  it('is of one byte per character', () => {
    expect(isValid('a', 'a\u{100}a')).toBe(false);
    expect(isValid('a\u{161}', '')).toBe(false);
  });
});
