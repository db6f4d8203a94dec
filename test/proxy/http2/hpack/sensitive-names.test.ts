import { expect, it } from 'vitest';
import { SensitiveNames } from '../../../../proxy/http2/hpack/sensitive-names.ts';

it.each(['authorization', 'proxy-authorization', 'cookie', 'set-cookie'])('%s is sensitive from the start', (name) => {
  expect(new SensitiveNames().has(name)).toBe(true);
});

it('a name is sensitive once it is added, and the version tells that something changed', () => {
  const names = new SensitiveNames();
  const { version } = names;
  expect(names.has('x-token')).toBe(false);
  names.add('x-token');
  expect(names.has('x-token')).toBe(true);
  expect(names.version).not.toBe(version);
});

it('adding a name again changes nothing', () => {
  const names = new SensitiveNames();
  const { version } = names;
  names.add('cookie');
  expect(names.version).toBe(version);
});

it('strangers can add 256 names and push out none', () => {
  const names = new SensitiveNames();
  for (let i = 0; i < 1000; i++) names.add(`x-${i}`);
  const kept = Array.from({ length: 1000 }, (_, i) => `x-${i}`).filter((name) => names.has(name));
  expect(kept).toHaveLength(256);
  expect(kept[0]).toBe('x-0');
  expect(names.has('cookie')).toBe(true);
});

it('names that are too long are not kept', () => {
  const names = new SensitiveNames();
  names.add('x'.repeat(256));
  names.add('x'.repeat(257));
  expect(names.has('x'.repeat(256))).toBe(true);
  expect(names.has('x'.repeat(257))).toBe(false);
});
