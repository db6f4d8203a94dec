/** Replacing by RE2 expression, as Envoy's `RegexMatchAndSubstitute` does with RE2's `GlobalReplace`. */
import { RE2JS } from 're2js';
import type { Decoded } from './decoded.ts';

/** A text, or the number of the group whose text is put in; 0 is the whole match. */
type SubstitutionPart = string | number;

/**
 * Replaces every occurrence of `pattern`. In `substitution`, `\1` to `\9` stand for groups, `\0` for the whole match and
 * `\\` for a backslash; a group that took no part in the match is empty. Every fault has an empty path.
 */
export function compileSubstitution(pattern: string, substitution: string): Decoded<(text: string) => string> {
  const parts = parseSubstitution(substitution);
  if (parts === undefined) {
    return fault(`substitution must have a digit or a backslash behind each backslash, got "${substitution}"`);
  }
  try {
    const regex = RE2JS.compile(pattern);
    const groups = regex.groupCount();
    const missing = parts.find((part) => typeof part === 'number' && part > groups);
    if (missing !== undefined) return fault(`substitution must name one of ${groups} groups, got \\${missing}`);
    return { value: (text) => replaceAll(regex, text, parts) };
  } catch (error) {
    return fault(`pattern must be an RE2 expression: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function fault(message: string): Decoded<never> {
  return { errors: [{ path: '', message }] };
}

/** Undefined when a backslash stands before something else. */
function parseSubstitution(substitution: string): SubstitutionPart[] | undefined {
  const parts: SubstitutionPart[] = [];
  for (const [token, escaped] of substitution.matchAll(/[^\\]+|\\(.?)/gs)) {
    if (escaped === undefined) parts.push(token);
    else if (escaped === '\\') parts.push('\\');
    else if (/^\d$/.test(escaped)) parts.push(Number(escaped));
    else return undefined;
  }
  return parts;
}

function replaceAll(regex: RE2JS, text: string, parts: readonly SubstitutionPart[]): string {
  const matcher = regex.matcher(text);
  let replaced = '';
  let end = 0;
  let isFirst = true;
  while (matcher.find()) {
    // RE2 takes no empty match where the one before ended.
    if (!isFirst && matcher.end() === end) continue;
    isFirst = false;
    replaced += text.slice(end, matcher.start());
    for (const part of parts) replaced += typeof part === 'string' ? part : (matcher.group(part) ?? '');
    end = matcher.end();
  }
  return replaced + text.slice(end);
}
