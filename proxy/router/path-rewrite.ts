/** Pure: what takes the place of a request's path. The query is never touched (semantics S28). */
import type { PathMatch, PathRewrite } from '../api/route.ts';
import { requireValue } from '../common/decoded.ts';
import { compileSubstitution } from '../common/regex-substitution.ts';
import { queryOf, withoutQuery } from './request-path.ts';

/** Path and query of a request in, path and query of the upstream's request out. */
export type PathRewriter = (path: string) => string;

export function compilePathRewrite(rewrite: PathRewrite, match: PathMatch): PathRewriter {
  if (rewrite.kind === 'regex') {
    const substitute = requireValue(compileSubstitution(rewrite.pattern, rewrite.substitution), 'regex_rewrite');
    return (path) => rooted(substitute(withoutQuery(path)) + queryOf(path));
  }
  const { replacement } = rewrite;
  if (match.kind !== 'prefix') return (path) => rooted(replacement + queryOf(path));
  const { length } = match.value;
  return (path) => rooted(replacement + path.slice(length));
}

/** A request's target begins with a slash, whatever an expression made of it (RFC 9112 section 3.2.1). */
function rooted(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}
