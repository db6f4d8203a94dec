/** Pure: where a redirect sends a request (Envoy docs, `RedirectAction`; semantics S27). */
import type { PathMatch, RedirectAction } from '../api/route.ts';
import { schemeOf } from '../http/forwarded-headers.ts';
import type { RequestHead } from '../http/message-head.ts';
import { compilePathRewrite, type PathRewriter } from './path-rewrite.ts';
import { queryOf, withoutQuery } from './request-path.ts';

/** The value of the Location header. */
export type Redirector = (head: RequestHead) => string;

export function compileRedirect(action: RedirectAction, match: PathMatch): Redirector {
  const newPath = compilePath(action, match);
  return (head) => {
    const received = schemeOf(head);
    const scheme = action.scheme ?? received;
    const defaultPort = scheme === received ? undefined : defaultPorts[received];
    return `${scheme}://${newAuthority(head.authority, action, defaultPort)}${newPath(head.path)}`;
  };
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
  const value = path.value.startsWith('/') ? path.value : `/${path.value}`;
  return value.includes('?') ? () => value : (received) => value + queryOf(received);
}

/** What a scheme has anyway. */
const defaultPorts = { http: ':80', https: ':443' };

/** A port that the request named stays, unless it is replaced or the default of a scheme that is left: `defaultPort`. */
function newAuthority(authority: string, { host, port }: RedirectAction, defaultPort: string | undefined): string {
  const [, name = authority, received = ''] = /^(.*?)(:\d+)?$/.exec(authority) ?? [];
  if (port !== undefined) return `${host ?? name}:${port}`;
  return host ?? (received === defaultPort ? name : authority);
}
