import { describe, expect, it } from 'vitest';
import { hostsOverlap, isHostCoveredBy, resolveShortName } from '../../crds/host.ts';
import { domainFault, headerNameFault, labelKeyFault, subnetFault, wildcardDomainFault } from '../../crds/names.ts';

describe('short names', () => {
  it.each([
    ['reviews', 'reviews.shop.svc.cluster.local'],
    ['reviews.prod', 'reviews.prod'],
    ['reviews.prod.svc.cluster.local', 'reviews.prod.svc.cluster.local'],
    ['*', '*'],
    ['*.example.com', '*.example.com'],
    ['10.0.0.1', '10.0.0.1'],
    ['::1', '::1'],
  ])('%s in namespace shop is %s', (host, full) => {
    expect(resolveShortName(host, 'shop')).toBe(full);
  });
});

describe('wildcards', () => {
  it.each([
    ['foo.com', 'foo.com', true, true],
    ['foo.com', 'bar.com', false, false],
    ['foo.com', '*.com', true, true],
    ['*.com', 'foo.com', true, false],
    ['*.foo.com', 'foo.com', false, false],
    ['*.foo.com', '*.com', true, true],
    ['*.com', '*.foo.com', true, false],
    ['*.foo.com', '*.bar.com', false, false],
    ['foo.com', '*', true, true],
    ['*', '*', true, true],
  ])('%s and %s', (a, b, overlap, isCovered) => {
    expect(hostsOverlap(a, b)).toBe(overlap);
    expect(hostsOverlap(b, a)).toBe(overlap);
    expect(isHostCoveredBy(a, b)).toBe(isCovered);
  });
});

describe('names', () => {
  it.each(['a', 'a.b', 'istio.io.', 'A-1.b', `${'a'.repeat(63)}.b`])('%s is a domain', (domain) => {
    expect(domainFault(domain)).toBeUndefined();
  });

  it.each(['', '.', 'a..b', '-a', 'a-', 'a_b', 'a.1', '*.a', `${'a'.repeat(64)}.b`, 'ä'])('%j is none', (domain) => {
    expect(domainFault(domain)).toBeDefined();
  });

  it.each(['*', '*.a', '*-a.b', '*a.b', 'a.b'])('%s may stand where a wildcard may', (domain) => {
    expect(wildcardDomainFault(domain)).toBeUndefined();
  });

  it.each(['a.*', '**', '*.*', 'a*b.c', '*.'.repeat(3)])('%s may not', (domain) => {
    expect(wildcardDomainFault(domain)).toBeDefined();
  });

  it.each(['10.0.0.1', '10.0.0.0/8', '0.0.0.0/0', '::1', '2001:1::1/64', '::/128'])(
    '%s is an address or a block',
    (text) => {
      expect(subnetFault(text)).toBeUndefined();
    },
  );

  it.each([
    '',
    'a',
    '10.0.0',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '::/129',
    'fe80::1%eth0/64',
    '/8',
  ])('%j is none', (text) => {
    expect(subnetFault(text)).toBeDefined();
  });

  it.each(['app', 'app.kubernetes.io/name', 'a', 'A_1.b-c', 'a'.repeat(63)])('%s is a label key', (key) => {
    expect(labelKeyFault(key)).toBeUndefined();
  });

  it.each(['', '/', 'a/', '/a', 'a/b/c', '-a', 'a'.repeat(64), `${'a'.repeat(254)}/b`, 'a b'])('%j is none', (key) => {
    expect(labelKeyFault(key)).toBeDefined();
  });

  it('headers are tokens', () => {
    expect(headerNameFault("x-user_1!#$%&'*+.^`|~")).toBeUndefined();
    for (const name of ['', 'a b', 'a:', 'é', 'a\r\nb']) expect(headerNameFault(name)).toBeDefined();
  });

  it('are judged in linear time', () => {
    const started = performance.now();
    for (const part of ['a-', 'a.', '-', '.a', 'a/']) {
      domainFault(part.repeat(100_000));
      labelKeyFault(part.repeat(100_000));
      wildcardDomainFault(part.repeat(100_000));
    }
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
