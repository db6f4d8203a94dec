/** The subject alternative names of a certificate and what they are compared with. RFC 5280 §4.2.1.6, RFC 6125 §6.4.3. */
import type { X509Certificate } from 'node:crypto';
import type { SubjectAltNameMatcher } from '../api/tls.ts';
import { compileStringMatcher } from '../router/route-match.ts';

export interface SubjectAltName {
  readonly type: SubjectAltNameMatcher['type'];
  readonly value: string;
}

const types: Readonly<Record<string, SubjectAltName['type']>> = {
  DNS: 'DNS',
  URI: 'URI',
  'IP Address': 'IP_ADDRESS',
  email: 'EMAIL',
};

/** Names of other types are left out. */
export function subjectAltNamesOf(certificate: X509Certificate): SubjectAltName[] {
  return splitNames(certificate.subjectAltName ?? '').flatMap((entry) => {
    const colon = entry.indexOf(':');
    const type = types[entry.slice(0, colon)];
    const text = entry.slice(colon + 1);
    const value = text.startsWith('"') ? unquote(text) : text;
    return type === undefined || value === undefined ? [] : [{ type, value }];
  });
}

/** Node prints names separated by commas, those that could be mistaken for several as JSON strings (CVE-2021-44532). */
function splitNames(text: string): string[] {
  return text.match(/(?:"(?:[^"\\]|\\.)*"|[^",])+/g)?.map((entry) => entry.trim()) ?? [];
}

function unquote(text: string): string | undefined {
  try {
    return String(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export type NamesTest = (names: readonly SubjectAltName[]) => boolean;

/** Whether one of the names matches one of `matchers`. */
export function compileNameMatchers(matchers: readonly SubjectAltNameMatcher[]): NamesTest {
  const tests = matchers.map((matcher) => ({ type: matcher.type, matches: compileNameMatcher(matcher) }));
  return (names) => tests.some(({ type, matches }) => names.some((name) => name.type === type && matches(name.value)));
}

/** A DNS name that is asked for exactly may be in the certificate as a wildcard, as in Envoy. */
function compileNameMatcher({ type, matcher }: SubjectAltNameMatcher): (value: string) => boolean {
  if (type === 'DNS' && matcher.kind === 'exact') return (pattern) => matchesHostName(pattern, matcher.value);
  if (type === 'IP_ADDRESS' && matcher.kind === 'exact') {
    const expected = canonicalAddress(matcher.value);
    return (address) => canonicalAddress(address) === expected;
  }
  return compileStringMatcher(matcher);
}

/** `*` stands for the first label alone, and only whole. */
export function matchesHostName(pattern: string, hostName: string): boolean {
  const expected = hostName.toLowerCase();
  const given = pattern.toLowerCase();
  if (given === expected) return true;
  const dot = expected.indexOf('.');
  return given.startsWith('*.') && dot > 0 && given.slice(1) === expected.slice(dot);
}

/** Of an IPv6 address there are many spellings; the URL parser knows the one of RFC 5952. */
function canonicalAddress(text: string): string {
  if (!text.includes(':')) return text;
  return URL.canParse(`http://[${text}]`) ? new URL(`http://[${text}]`).hostname : text;
}
