import { describe, expect, test } from 'vitest';
import { parseSticky, stickyFault } from '../../crds/sticky.ts';
import { validateResource } from '../../crds/validate.ts';
import { formatFieldErrors } from '../../proxy/common/decoded.ts';

describe('the key of a sticky split', () => {
  test.each([
    ['source', { kind: 'source' }],
    ['header:X-User', { kind: 'header', name: 'x-user' }],
    ['cookie:Session', { kind: 'cookie', name: 'Session', ttlMs: undefined }],
    ['cookie:lb;1h30m', { kind: 'cookie', name: 'lb', ttlMs: 5_400_000 }],
    ['cookie:lb;0s', { kind: 'cookie', name: 'lb', ttlMs: 0 }],
  ])('%s', (text, expected) => {
    expect(parseSticky(text)).toEqual(expected);
    expect(stickyFault(text)).toBeUndefined();
  });

  test.each(['', 'user', 'Source', 'source:1', 'header:', 'header:a b', 'header:a;1h', 'cookie:', 'cookie:a=b'])(
    '%j is none',
    (text) => expect(parseSticky(text)).toBeUndefined(),
  );

  test.each(['cookie:a;', 'cookie:a;soon', 'cookie:a;-1s', 'cookie:a;1h;2h', 'query:a', ' header:a'])(
    '%j is none and the fault shows it',
    (text) => expect(stickyFault(text)).toContain(JSON.stringify(text)),
  );
});

test('a VirtualService whose annotation means nothing is refused at that annotation', () => {
  const resource = (sticky: string) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'a', annotations: { 'heddle.dev/sticky': sticky } },
    spec: { hosts: ['a'], http: [{ route: [{ destination: { host: 'a' } }] }] },
  });
  expect(validateResource(resource('header:x-user')).errors).toBeUndefined();
  expect(formatFieldErrors(validateResource(resource('hash')).errors ?? [])).toBe(
    'metadata.annotations["heddle.dev/sticky"]: must be header:NAME, cookie:NAME, cookie:NAME;TTL or source, got "hash"',
  );
});
