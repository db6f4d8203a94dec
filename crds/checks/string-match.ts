/** StringMatch and regular expressions: RE2 syntax, at most 1024 bytes (semantics S10). */
import { RE2JS } from 're2js';
import { type Findings, show } from '../findings.ts';
import type { StringMatch } from '../virtual-service.ts';

const maxRegexBytes = 1024;

export function checkRegex(regex: string, path: string, findings: Findings): void {
  if (regex === '') return findings.error(path, 'must not be empty');
  const size = Buffer.byteLength(regex);
  if (size > maxRegexBytes) return findings.error(path, `must be at most ${maxRegexBytes} bytes, got ${size}`);
  try {
    RE2JS.compile(regex);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    findings.error(path, `must be an RE2 regular expression, got ${show(regex)}: ${reason}`);
  }
  return undefined;
}

/** `exact`, `prefix` and `regex` are alternatives; only uri may have an empty prefix, which matches everything. */
export function checkStringMatch(match: StringMatch, path: string, findings: Findings, allowEmptyPrefix = false): void {
  const given = Object.keys(match);
  if (given.length > 1)
    findings.error(path, `must have only one of exact, prefix and regex, got ${given.join(' and ')}`);
  if (match.prefix === '' && !allowEmptyPrefix) findings.error(`${path}.prefix`, 'must not be empty');
  if (match.regex !== undefined) checkRegex(match.regex, `${path}.regex`, findings);
}

/** In headers the regex `*`, which RE2 refuses, is Istio's old way to say "present" (semantics S11). */
export function isPresenceMatch(match: StringMatch): boolean {
  return match.regex === '*' || Object.keys(match).length === 0;
}
