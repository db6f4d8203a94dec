/** Requests at random that such rules can tell apart. */
import type { Call } from '../../support/http-call.ts';
import type { Draw } from './draw.ts';
import { headerNames, headerValues, paths, queryNames } from './random-rules.ts';

const hosts = [
  'reviews',
  'reviews:80',
  'reviews:8080',
  'REVIEWS',
  'reviews.',
  'reviews.default',
  'a.test',
  'reviews.default:80',
  'reviews.default.svc',
  'reviews.default.svc.cluster.local',
  'reviews.other',
  'ratings',
  'unknown.test',
] as const;
const queries = ['', '', '?q=1', '?q=2&r=1', '?r=a%20b&q', '?q=1&q=2', '?', '?=1', '?q=%31', '?q==1&', '?Q=1'] as const;
/** Which a proxy may want to write another way. */
const oddPaths = ['//a', '/a//b', '/./a', '/a/../x/y/z', '/%2e%2e/a', '/a\\b', '/..', '/%', '/a;b=c'] as const;

/** What a request may say of itself, or wish of the backend. */
const others: readonly (readonly [string, string])[] = [
  ['x-forwarded-proto', 'https'],
  ['x-forwarded-for', '10.1.2.3'],
  ['x-forwarded-for', '10.1.2.3, 10.4.5.6'],
  ['x-request-id', '5d9dc5d1-4a4f-4d3b-8f4b-6a4f6c3d2b1a'],
  ['x-answer', '503'],
  ['x-answer', '409'],
  ['x-answer', '404'],
  ['x-answer', '204'],
  ['x-answer', '304'],
  ['x-answer', '500'],
  ['accept-encoding', 'gzip'],
  ['connection', 'x-a'],
  ['user-agent', 'heddle'],
  ['via', '1.1 a'],
  ['expect', '100-continue'],
  ['x-empty', ''],
];

/** What only the mesh may say: at its edge nobody is believed. Beside an application ours believes more than Envoy does. */
const ofTheMesh: readonly (readonly [string, string])[] = [
  ['x-envoy-max-retries', '3'],
  ['x-envoy-retry-on', '5xx'],
  ['x-envoy-upstream-rq-timeout-ms', '3000'],
  ['x-envoy-internal', 'true'],
  ['x-envoy-external-address', '10.9.9.9'],
  ['x-envoy-original-path', '/forged'],
  ['x-envoy-original-host', 'forged'],
  ['x-envoy-attempt-count', '7'],
  ['x-envoy-expected-rq-timeout-ms', '5'],
  ['x-forwarded-client-cert', 'By=forged'],
  ['x-forwarded-host', 'forged'],
];

export function randomRequest(draw: Draw, place: 'sidecar' | 'gateway'): Call {
  const method = draw.one(['GET', 'GET', 'GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'DELETE', 'PATCH', 'TRACE']);
  const headers: Record<string, string | string[]> = {};
  for (const name of draw.list(0, 2, () => draw.one(headerNames))) {
    headers[name] = draw.chance(0.2) ? draw.list(2, 3, () => draw.one(headerValues)) : draw.one(headerValues);
  }
  if (draw.chance(0.5)) {
    const [name, value] = draw.one(place === 'gateway' && draw.chance(0.5) ? ofTheMesh : others);
    headers[name] = value;
  }
  if (draw.chance(method === 'OPTIONS' ? 0.8 : 0.3)) headers['origin'] = draw.one(['http://a.test', 'http://c.test']);
  if (method === 'OPTIONS' && draw.chance(0.8)) headers['access-control-request-method'] = draw.one(['GET', 'PUT']);
  const query = draw.one(queries);
  return {
    method,
    host: draw.chance(0.4) ? 'reviews' : draw.one(hosts),
    path: `${draw.one(draw.chance(0.15) ? oddPaths : paths)}${query === '' ? '' : query.replaceAll('q', draw.one(queryNames))}`,
    headers,
    ...(method === 'POST' ? { body: 'body' } : {}),
  };
}
