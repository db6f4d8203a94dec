import { describe, expect, test } from 'vitest';
import { checkReferences, MeshIndex } from '../../../crds/references.ts';
import { errorsOf, rateLimit, unsupportedOf } from '../support.ts';

describe('a RateLimit', () => {
  test.each([
    ['of a host', {}],
    ['of routes', { routes: ['search', 'find'] }],
    ['of header values', { headers: { 'x-tenant': { exact: 'a' }, 'x-any': {}, 'x-re': { regex: 'a.*' } } }],
    ['of methods and paths', { methods: ['POST'], paths: [{ exact: '/a' }, { prefix: '/b' }, { regex: '/c/\\d+' }] }],
    ['of a source workload', { sourceLabels: { app: 'web', version: 'v1' } }],
    ['with a burst, that only counts', { burst: 20, mode: 'SHADOW' }],
    ['of the finest interval', { interval: '50ms' }],
    ['of all sidecars together', { scope: 'GLOBAL', interval: '1s' }],
    ['of all sidecars together that refuses without mixer', { scope: 'GLOBAL', onUnavailable: 'failClosed' }],
  ])('%s is valid and in force', (_, spec) => {
    expect(errorsOf(rateLimit(spec))).toEqual([]);
    expect(unsupportedOf(rateLimit(spec))).toEqual([]);
  });

  test.each([
    ['without a host', { host: undefined }, 'spec.host: is required'],
    ['without requests', { requests: undefined }, 'spec.requests: is required'],
    ['of no requests', { requests: 0 }, 'spec.requests: must be >= 1, got 0'],
    ['of a wildcard host', { host: '*.example.com' }, expect.stringContaining('spec.host: must be a domain name')],
    ['of a short interval', { interval: '49ms' }, 'spec.interval: must be at least 50ms, got "49ms"'],
    [
      'of a short interval for all together',
      { scope: 'GLOBAL', interval: '999ms' },
      'spec.interval: must be at least 1s where scope is GLOBAL, got "999ms"',
    ],
    [
      'that is local and asks nobody',
      { onUnavailable: 'failOpen' },
      'spec.onUnavailable: has no effect where scope is not GLOBAL: nobody is asked for a local limit',
    ],
    ['of an unknown scope', { scope: 'MESH' }, expect.stringContaining('spec.scope: ')],
    ['of an interval that is none', { interval: 'soon' }, expect.stringContaining('spec.interval: ')],
    ['with a burst below its requests', { burst: 9 }, 'spec.burst: must be at least requests, 10, got 9'],
    ['of a route without a name', { routes: [''] }, 'spec.routes[0]: must be the name of a route, got ""'],
    ['of no method', { methods: [] }, 'spec.methods: must have at least one'],
    ['of a method that is none', { methods: ['get'] }, 'spec.methods[0]: must be a method such as GET, got "get"'],
    ['of a path without a slash', { paths: [{ exact: 'a' }] }, 'spec.paths[0]: must begin with /'],
    ['of a query', { paths: [{ prefix: '/a?b' }] }, expect.stringContaining('without its query')],
    ['of a header in upper case', { headers: { 'X-A': {} } }, 'spec.headers.X-A: must be lower case'],
    [
      'of two values of a header',
      { headers: { a: { exact: 'a', prefix: 'b' } } },
      'spec.headers.a: must have only one of exact, prefix and regex, got exact and prefix',
    ],
    ['in a mode that is not known', { mode: 'DRY' }, expect.stringContaining('spec.mode: ')],
    ['with a field that is not known', { request: 1 }, expect.stringContaining('spec.request: ')],
  ])('%s is refused', (_, spec, error) => {
    // As a file has it: a field is there or not.
    expect(errorsOf(JSON.parse(JSON.stringify(rateLimit(spec))))).toEqual([error]);
  });

  test('of a host that no service has is warned about', () => {
    const limit = { kind: 'RateLimit', metadata: { name: 'l', namespace: 'default' }, spec: { host: 'ghost' } };
    const mesh = new MeshIndex({ resources: [limit], serviceExists: (host) => host.startsWith('reviews.') });
    expect(checkReferences(limit, mesh).warnings).toEqual([
      { path: 'spec.host', message: 'no service "ghost" is known yet' },
    ]);
    expect(checkReferences({ ...limit, spec: { host: 'reviews' } }, mesh).warnings).toEqual([]);
  });
});

test('a seventh global limit of a host that headers choose is refused: their combinations are too many', () => {
  const limit = (name: string, more: object): Parameters<typeof checkReferences>[0] => {
    const spec = { host: 'reviews', scope: 'GLOBAL', headers: { a: {} }, ...more };
    return { kind: 'RateLimit', metadata: { name, namespace: 'default' }, spec };
  };
  const others = [limit('x', { headers: {} }), limit('y', { mode: 'SHADOW' }), limit('z', { scope: 'LOCAL' })];
  const six = Array.from({ length: 6 }, (_, i) => limit(`l${i}`, {}));
  const seventh = limit('seventh', { host: 'reviews.default.svc.cluster.local' });
  const errorsAmong = (resources: typeof six, checked: (typeof six)[number]): unknown =>
    checkReferences(checked, new MeshIndex({ resources, serviceExists: () => true })).errors;
  expect(errorsAmong([...six, ...others], limit('l0', {}))).toEqual([]);
  const message = 'host has 7 limits of scope GLOBAL that headers choose, at most 6 are possible';
  expect(errorsAmong([...six, ...others, seventh], seventh)).toEqual([{ path: 'spec.headers', message }]);
});

test('mirrors are destinations whose subset must exist', () => {
  const destination = { host: 'reviews', subset: 'v9' };
  const spec = { hosts: ['reviews'], http: [{ route: [{ destination: { host: 'reviews' } }], mirror: destination }] };
  const rules = { kind: 'VirtualService', metadata: { name: 'r', namespace: 'default' }, spec };
  const mesh = new MeshIndex({ resources: [rules], serviceExists: () => true });
  expect(checkReferences(rules, mesh).errors).toMatchObject([{ path: 'spec.http[0].mirror.subset' }]);
});
