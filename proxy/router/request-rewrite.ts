/** What a route does to a request before it goes upstream, in Envoy's order: header rules, then Host, then path. */
import { HeaderName, Known } from '../http/header-name.ts';
import type { RequestHead } from '../http/message-head.ts';
import type { HttpStream } from '../http/stream.ts';
import { applyHeaderRules } from './header-rules.ts';
import type { PathRewriter } from './path-rewrite.ts';
import type { RouteCluster } from './route-cluster.ts';

const hostName = new HeaderName('host');
const originalHostName = new HeaderName('x-envoy-original-host');
const originalPathName = new HeaderName('x-envoy-original-path');

export function prepareRequest(
  stream: HttpStream,
  { headers, hostRewrite }: RouteCluster,
  rewritePath: PathRewriter | undefined,
): void {
  const { request } = stream;
  applyHeaderRules(headers.request, request.headers, stream);
  if (hostRewrite !== undefined) replaceHost(request, hostRewrite);
  if (rewritePath !== undefined) replacePath(request, rewritePath(request.path));
}

function replaceHost(request: RequestHead, host: string): void {
  request.headers.set(originalHostName, request.authority);
  request.authority = host;
  // A request without a Host header gets one from its authority when it is written.
  if (request.headers.hasKnown(Known.host)) request.headers.set(hostName, host);
}

function replacePath(request: RequestHead, path: string): void {
  request.headers.set(originalPathName, request.path);
  request.path = path;
  request.hasOriginalStartLine = false;
}
