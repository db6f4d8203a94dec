import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SubjectAltNameMatcher } from '../../../proxy/api/tls.ts';
import { compileNameMatchers, matchesHostName, subjectAltNamesOf } from '../../../proxy/tls/peer-names.ts';
import { Authority } from '../../support/pki.ts';

let authority: Authority;
beforeAll(() => {
  authority = new Authority();
});
afterAll(() => authority.close());

const namesIn = (...names: string[]) => subjectAltNamesOf(new X509Certificate(authority.issue({ names }).cert));

describe('the names of a certificate', () => {
  it('are those of the types that can be asked for', () => {
    expect(namesIn('DNS:a.example.com', 'URI:spiffe://mesh/a', 'IP:10.0.0.1', 'IP:::1', 'email:a@example.com')).toEqual(
      [
        { type: 'DNS', value: 'a.example.com' },
        { type: 'URI', value: 'spiffe://mesh/a' },
        { type: 'IP_ADDRESS', value: '10.0.0.1' },
        { type: 'IP_ADDRESS', value: '0:0:0:0:0:0:0:1' },
        { type: 'EMAIL', value: 'a@example.com' },
      ],
    );
    expect(namesIn()).toEqual([]);
  });

  it('are one name each, whatever stands in them', () => {
    const names = subjectAltNamesOf({
      subjectAltName: String.raw`URI:"http://a/, DNS:bank.example.com", DNS:"b\u0000.example.com", othername:<unsupported>`,
    } as X509Certificate);
    expect(names).toEqual([
      { type: 'URI', value: 'http://a/, DNS:bank.example.com' },
      { type: 'DNS', value: 'b\0.example.com' },
    ]);
  });
});

describe('a name that is asked for', () => {
  const exact = (type: SubjectAltNameMatcher['type'], value: string): SubjectAltNameMatcher => ({
    type,
    matcher: { kind: 'exact', value, ignoreCase: false },
  });
  const of = (type: SubjectAltNameMatcher['type'], kind: 'prefix' | 'suffix' | 'contains', value: string) =>
    ({ type, matcher: { kind, value, ignoreCase: false } }) satisfies SubjectAltNameMatcher;
  const regex: SubjectAltNameMatcher = { type: 'URI', matcher: { kind: 'safe_regex', regex: 'spiffe://[^/]*/a' } };

  it.each<[string, SubjectAltNameMatcher, boolean]>([
    ['DNS:shop.example.com', exact('DNS', 'SHOP.example.com'), true],
    ['DNS:*.example.com', exact('DNS', 'shop.example.com'), true],
    ['DNS:*.example.com', exact('DNS', 'a.shop.example.com'), false],
    ['DNS:*.example.com', exact('DNS', 'example.com'), false],
    ['DNS:*.example.com', exact('DNS', '.example.com'), false],
    ['DNS:shop.example.com', exact('DNS', '*.example.com'), false],
    ['DNS:shop.example.com', of('DNS', 'suffix', '.example.com'), true],
    ['URI:spiffe://mesh/a', exact('URI', 'spiffe://mesh/a'), true],
    ['URI:spiffe://mesh/a', exact('DNS', 'spiffe://mesh/a'), false],
    ['URI:spiffe://mesh/a', of('URI', 'prefix', 'spiffe://mesh/'), true],
    ['URI:spiffe://mesh/a', of('URI', 'contains', 'other'), false],
    ['URI:spiffe://mesh/a', regex, true],
    ['URI:spiffe://mesh/ab', regex, false],
    ['IP:10.0.0.1', exact('IP_ADDRESS', '10.0.0.1'), true],
    ['IP:fd00::1', exact('IP_ADDRESS', 'fd00:0::0001'), true],
    ['IP:fd00::1', exact('IP_ADDRESS', 'fd00::2'), false],
    ['email:a@example.com', exact('EMAIL', 'a@example.com'), true],
  ])('%s for %j: %s', (name, matcher, isMatch) => {
    expect(compileNameMatchers([matcher])(namesIn(name))).toBe(isMatch);
  });

  it('may be any of several, and of several in the certificate', () => {
    const matches = compileNameMatchers([exact('DNS', 'a.example.com'), exact('DNS', 'b.example.com')]);
    expect(matches(namesIn('DNS:c.example.com', 'DNS:b.example.com'))).toBe(true);
    expect(matches(namesIn('DNS:c.example.com'))).toBe(false);
    expect(matches([])).toBe(false);
  });

  it('has its wildcard only as a whole first label', () => {
    expect(matchesHostName('w*.example.com', 'www.example.com')).toBe(false);
    expect(matchesHostName('*', 'com')).toBe(false);
    expect(matchesHostName('*.com', 'example.com')).toBe(true);
  });
});
