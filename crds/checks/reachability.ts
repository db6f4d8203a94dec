/** Warnings about rules that no request can reach: the first rule that matches is used (semantics S1, S3). */
import { isDeepStrictEqual } from 'node:util';
import type { Findings } from '../findings.ts';
import type { HTTPMatchRequest, HTTPRoute } from '../virtual-service.ts';

interface Route {
  readonly match?: readonly object[];
}

interface SeenMatch {
  readonly match: unknown;
  readonly rule: string;
}

/** A long list of rules is compared pair by pair: beyond this many matches only catch-alls are looked for. */
const maxComparedMatches = 500;

export function warnUnreachable(routes: readonly Route[], path: string, findings: Findings): void {
  const seen: SeenMatch[] = [];
  let catchAll: string | undefined;
  for (const [index, route] of routes.entries()) {
    const at = `${path}[${index}]`;
    const matches = route.match ?? [];
    if (catchAll !== undefined) findings.warn(at, `is never reached: ${catchAll} matches everything`);
    if (matches.length === 0) catchAll ??= at;
    if (catchAll !== undefined) continue;
    const repeated = matches.filter((match, nth) => {
      const earlier = seen.find((other) => isDeepStrictEqual(other.match, withoutName(match)));
      if (earlier !== undefined)
        findings.warn(`${at}.match[${nth}]`, `is never reached: ${earlier.rule} has the same match`);
      else if (seen.length < maxComparedMatches) seen.push({ match: withoutName(match), rule: at });
      return earlier !== undefined;
    });
    if (repeated.length === matches.length)
      findings.warn(at, 'is never reached: earlier rules have all of its matches');
  }
}

/** A match's name says nothing about what it matches. */
function withoutName(match: object): unknown {
  return Object.fromEntries(Object.entries(match).filter(([field]) => field !== 'name'));
}

/** A longer prefix behind a shorter one with no more conditions than it: `/api` hides `/api/v1`. */
export function warnHiddenPrefixes(routes: readonly HTTPRoute[], path: string, findings: Findings): void {
  const earlier: { readonly match: HTTPMatchRequest; readonly at: string }[] = [];
  for (const [index, route] of routes.entries()) {
    for (const [nth, match] of (route.match ?? []).entries()) {
      const at = `${path}[${index}].match[${nth}]`;
      const hiding = earlier.find((other) => hides(other.match, match));
      if (hiding !== undefined) findings.warn(at, `is never reached: ${hiding.at} matches a shorter prefix of it`);
      if (match.uri?.prefix && earlier.length < maxComparedMatches) earlier.push({ match, at });
    }
  }
}

function hides(earlier: HTTPMatchRequest, later: HTTPMatchRequest): boolean {
  const [short, long] = [earlier.uri?.prefix, later.uri?.prefix];
  if (!short || !long || short === long || !long.startsWith(short)) return false;
  return Object.entries(earlier).every(
    ([field, value]) => field === 'name' || field === 'uri' || isDeepStrictEqual(value, Reflect.get(later, field)),
  );
}
