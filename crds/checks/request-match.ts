/** Methods and paths of requests that rules are about, in CheckRules and RateLimits alike. */
import { type Findings, show } from '../findings.ts';
import type { StringMatch } from '../virtual-service.ts';
import { checkStringMatch } from './string-match.ts';

export function checkMethods(methods: readonly string[], path: string, findings: Findings): void {
  for (const [index, method] of methods.entries()) {
    const isToken = /^[A-Z][A-Z-]*$/.test(method);
    if (!isToken) findings.error(`${path}[${index}]`, `must be a method such as GET, got ${show(method)}`);
  }
}

export function checkPaths(matches: readonly StringMatch[], path: string, findings: Findings): void {
  for (const [index, match] of matches.entries()) checkPath(match, `${path}[${index}]`, findings);
}

function checkPath(match: StringMatch, path: string, findings: Findings): void {
  if (Object.keys(match).length === 0) return findings.error(path, 'must have one of exact, prefix and regex');
  checkStringMatch(match, path, findings);
  if ((match.exact ?? match.prefix)?.startsWith('/') === false) findings.error(path, 'must begin with /');
  if ((match.exact ?? match.prefix)?.includes('?') === true) {
    findings.error(path, 'never matches: a path is compared without its query');
  }
}
