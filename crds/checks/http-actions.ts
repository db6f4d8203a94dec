/** What an HTTP route does besides choosing a destination: redirect, direct response, rewrite, retries, CORS. */
import { STATUS_CODES } from 'node:http';
import { durationFault, parseDurationMs } from '../duration.ts';
import { type Findings, show } from '../findings.ts';
import { headerNameFault } from '../names.ts';
import type { HTTPRoute } from '../virtual-service.ts';
import { checkRegex, checkStringMatch } from './string-match.ts';

export function checkRedirect(route: HTTPRoute, path: string, findings: Findings): void {
  const { redirect } = route;
  if (redirect === undefined) return;
  const { uri, prefixRewrite, authority, scheme, redirectCode, port, derivePort } = redirect;
  if (uri && prefixRewrite) findings.error(path, 'must have only one of uri and prefixRewrite');
  if (prefixRewrite && route.match?.some((match) => match.uri !== undefined && match.uri.prefix === undefined)) {
    findings.error(`${path}.prefixRewrite`, 'needs every uri of the match to be a prefix');
  }
  const hasPort = port !== undefined || derivePort !== undefined;
  if (port !== undefined && derivePort !== undefined) findings.error(path, 'must have only one of port and derivePort');
  if (!uri && !prefixRewrite && !authority && !scheme && !hasPort) {
    findings.error(path, 'must have at least one of uri, prefixRewrite, authority, scheme, port and derivePort');
  }
  if (redirectCode && (redirectCode < 300 || redirectCode > 399)) {
    findings.error(`${path}.redirectCode`, `must be between 300 and 399, got ${redirectCode}`);
  }
  if (scheme && scheme !== 'http' && scheme !== 'https') {
    findings.error(`${path}.scheme`, `must be http or https, got ${show(scheme)}`);
  }
}

const warnBodyBytes = 100 * 1024;
const maxBodyBytes = 1024 * 1024;

export function checkDirectResponse(response: HTTPRoute['directResponse'], path: string, findings: Findings): void {
  if (response === undefined) return;
  findings.expect(`${path}.status`, statusFault(response.status));
  const { string, bytes } = response.body ?? {};
  if (string !== undefined && bytes !== undefined)
    findings.error(`${path}.body`, 'must have only one of string and bytes');
  const size = bytes === undefined ? Buffer.byteLength(string ?? '') : Buffer.byteLength(bytes, 'base64');
  if (size > maxBodyBytes) findings.error(`${path}.body`, `must be at most 1 MiB, got ${size} bytes`);
  else if (size > warnBodyBytes) findings.warn(`${path}.body`, `has ${size} bytes: every proxy keeps a copy`);
}

/** A status that a proxy may answer with by itself. Istio lets 600 through; here it is refused as HTTP does. */
export function statusFault(status: number): string | undefined {
  return status >= 200 && status <= 599 ? undefined : `must be between 200 and 599, got ${status}`;
}

export function checkRewrite(rewrite: HTTPRoute['rewrite'], path: string, findings: Findings): void {
  if (rewrite === undefined) return;
  const { uri, uriRegexRewrite: regex, authority } = rewrite;
  if (uri && regex !== undefined) findings.error(path, 'must have only one of uri and uriRegexRewrite');
  if (!uri && regex === undefined && !authority) {
    findings.error(path, 'must have at least one of uri, uriRegexRewrite and authority');
  }
  if (regex === undefined) return;
  for (const field of ['match', 'rewrite'] as const) {
    if (!regex[field]) findings.error(`${path}.uriRegexRewrite.${field}`, 'is required');
  }
  if (regex.match) checkRegex(regex.match, `${path}.uriRegexRewrite.match`, findings);
}

/** Envoy docs, http_filters/router_filter: x-envoy-retry-on and x-envoy-retry-grpc-on. */
const retryConditions: ReadonlySet<string> = new Set(
  (
    '5xx gateway-error reset reset-before-request connect-failure retriable-4xx refused-stream ' +
    'retriable-status-codes retriable-headers envoy-ratelimited http3-post-connect-failure ' +
    'cancelled deadline-exceeded internal resource-exhausted unavailable'
  ).split(' '),
);

export function checkRetries(retries: HTTPRoute['retries'], path: string, findings: Findings): void {
  if (retries === undefined) return;
  const { attempts = 0, perTryTimeout, retryOn, retryRemoteLocalities, backoff } = retries;
  const isConfigured = perTryTimeout !== undefined || !!retryOn || retryRemoteLocalities !== undefined;
  if (attempts === 0 && isConfigured) {
    findings.error(
      `${path}.attempts`,
      'must be at least 1 when other fields of retries are given: 0 turns retries off',
    );
  }
  if (retryRemoteLocalities === true && attempts === 1) {
    findings.warn(`${path}.retryRemoteLocalities`, 'has no effect: the first retry stays near, and attempts is 1');
  }
  if (perTryTimeout !== undefined) findings.expect(`${path}.perTryTimeout`, durationFault(perTryTimeout));
  if (backoff !== undefined) findings.expect(`${path}.backoff`, durationFault(backoff));
  for (const condition of retryOn ? retryOn.split(',') : []) {
    if (retryConditions.has(condition) || STATUS_CODES[condition] !== undefined) continue;
    findings.error(
      `${path}.retryOn`,
      `must be a list of Envoy's retry conditions and HTTP statuses, got ${show(condition)}`,
    );
  }
}

const corsMethods: ReadonlySet<string> = new Set('GET HEAD POST PUT PATCH DELETE CONNECT OPTIONS TRACE *'.split(' '));

export function checkCors(cors: HTTPRoute['corsPolicy'], path: string, findings: Findings): void {
  if (cors === undefined) return;
  for (const [index, origin] of (cors.allowOrigins ?? []).entries()) {
    const at = `${path}.allowOrigins[${index}]`;
    if (!origin.exact && !origin.prefix && !origin.regex)
      findings.error(at, 'must have one of exact, prefix and regex');
    else checkStringMatch(origin, at, findings);
  }
  for (const [index, method] of (cors.allowMethods ?? []).entries()) {
    if (!corsMethods.has(method))
      findings.error(`${path}.allowMethods[${index}]`, `must be an HTTP method, got ${show(method)}`);
  }
  for (const field of ['allowHeaders', 'exposeHeaders'] as const) {
    for (const [index, name] of (cors[field] ?? []).entries()) {
      if (name !== '*') findings.expect(`${path}.${field}[${index}]`, headerNameFault(name));
    }
  }
  if (cors.maxAge === undefined) return;
  const isWhole = Number.isInteger((parseDurationMs(cors.maxAge) ?? 0) / 1000);
  const fractionFault = isWhole ? undefined : `must be whole seconds, got ${show(cors.maxAge)}`;
  findings.expect(`${path}.maxAge`, durationFault(cors.maxAge) ?? fractionFault);
}
