/** Pure: where a redirect sends a request (Envoy docs, `RedirectAction`; semantics S27). */
import type { PathMatch, RedirectAction } from '../api/route.ts';
import type { RequestHead } from '../http/message-head.ts';
import { compilePathRewrite, type PathRewriter } from './path-rewrite.ts';
import { queryOf, withoutQuery } from './request-path.ts';

/** The value of the Location header. */
export type Redirector = (head: RequestHead) => string;

export function compileRedirect(action: RedirectAction, match: PathMatch): Redirector {
  const newPath = compilePath(action, match);
  const scheme = action.scheme ?? 'http';
  return ({ authority, path }) => `${scheme}://${newAuthority(authority, scheme, action)}${newPath(path)}`;
}

function compilePath({ path, stripQuery }: RedirectAction, match: PathMatch): PathRewriter {
  const rewrite = compileRewrite(path, match);
  return stripQuery && !(path?.kind === 'path' && path.value.includes('?'))
    ? (received) => withoutQuery(rewrite(received))
    : rewrite;
}

function compileRewrite(path: RedirectAction['path'], match: PathMatch): PathRewriter {
  if (path === undefined) return (received) => received;
  if (path.kind !== 'path') return compilePathRewrite(path, match);
  const { value } = path;
  return value.includes('?') ? () => value : (received) => value + queryOf(received);
}

/** Ports that a scheme has anyway. */
const defaultPorts: Readonly<Record<string, string>> = { http: ':80', https: ':443' };

/** A port that the request named stays, unless it is replaced or was the default of a scheme that changes. */
function newAuthority(authority: string, scheme: string, { host, port }: RedirectAction): string {
  const [, name = authority, received = ''] = /^(.*?)(:\d+)?$/.exec(authority) ?? [];
  if (port !== undefined) return defaultPorts[scheme] === `:${port}` ? (host ?? name) : `${host ?? name}:${port}`;
  if (host !== undefined) return host;
  const isDefault = scheme !== 'http' && (received === ':80' || received === ':443');
  return isDefault ? name : authority;
}
