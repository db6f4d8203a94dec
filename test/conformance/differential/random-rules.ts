/** VirtualServices at random, all of them valid: what they say is to be done the same by both. */
import type { Draw } from './draw.ts';

export const paths = ['/', '/a', '/a/', '/a/b', '/ab', '/A/b', '/a.b', '/x/y/z', '/a%20b', '/%61'] as const;
export const headerNames = ['x-a', 'x-b', 'cookie'] as const;
export const headerValues = ['1', '2', '12', 'one two', 'A', 'a=1; b=2'] as const;
export const queryNames = ['q', 'r'] as const;

const pathRegexes = ['/a.*', '/[ab]+(/.*)?', '.*b', '/(a|x)/.*', '(?i)/A.*'] as const;
const valueRegexes = ['[0-9]+', '.*', '1|2', '(?i)a', 'one.*'] as const;

function stringMatch(draw: Draw, values: readonly string[], regexes: readonly string[]) {
  const kind = draw.one(['exact', 'prefix', 'regex']);
  return { [kind]: kind === 'regex' ? draw.one(regexes) : draw.one(values) };
}

const headerMatches = (draw: Draw) =>
  Object.fromEntries(
    draw.list(1, 2, () => [
      draw.one(headerNames),
      draw.chance(0.2) ? {} : stringMatch(draw, headerValues, valueRegexes),
    ]),
  );

const match = (draw: Draw) => ({
  ...draw.maybe(0.6, () => ({ uri: stringMatch(draw, paths, pathRegexes) })),
  ...draw.maybe(0.2, () => ({ ignoreUriCase: true })),
  ...draw.maybe(0.2, () => ({ method: stringMatch(draw, ['GET', 'POST', 'HEAD'], ['P.*', 'GET|HEAD']) })),
  ...draw.maybe(0.1, () => ({ scheme: { exact: draw.one(['http', 'https']) } })),
  ...draw.maybe(0.1, () => ({ authority: stringMatch(draw, ['reviews', 'reviews:80', 'Reviews'], ['reviews.*']) })),
  ...draw.maybe(0.3, () => ({ headers: headerMatches(draw) })),
  ...draw.maybe(0.1, () => ({ withoutHeaders: headerMatches(draw) })),
  ...draw.maybe(0.2, () => ({
    queryParams: { [draw.one(queryNames)]: stringMatch(draw, ['1', '2', 'a b'], valueRegexes) },
  })),
  ...draw.maybe(0.1, () => ({ port: draw.one([80, 81]) })),
});

const setValues = [
  'set',
  '%REQ(x-a)%',
  '%REQ(:path)%',
  '%REQ(x-none?x-b)%',
  '%PROTOCOL%',
  '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  '%UPSTREAM_CLUSTER%',
  '50%%',
  '%RESP(x-backend)%',
  '%RESPONSE_FLAGS%',
  '%ROUTE_NAME%',
  '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%',
  '%REQ(x-a):2%',
  '%REQ(:authority)%',
  '%REQ(:method)%-%REQ(:scheme)%',
] as const;

const headerChanges = (draw: Draw) => {
  const values = () =>
    Object.fromEntries(
      draw.list(0, 2, () => [draw.one(['x-a', 'x-b', 'x-new', 'x-other', 'X-New']), draw.one(setValues)] as const),
    );
  return {
    set: values(),
    add: values(),
    remove: draw.list(0, 1, () => draw.one(['x-a', 'x-b', 'cookie', 'x-backend'])),
  };
};
const headers = (draw: Draw) => ({
  headers: {
    ...draw.maybe(0.6, () => ({ request: headerChanges(draw) })),
    ...draw.maybe(0.6, () => ({ response: headerChanges(draw) })),
  },
});

/** Each of them always draws the same of several destinations. */
const route = (draw: Draw) => {
  const destination = (weight?: number) => ({
    destination: { host: 'reviews', subset: draw.one(['v1', 'v2']) },
    ...(weight === undefined ? {} : { weight }),
    ...draw.maybe(0.3, () => headers(draw)),
  });
  const rewriteUri = () =>
    draw.chance(0.7)
      ? { uri: draw.one(['/', '/new', '/new/']) }
      : {
          uriRegexRewrite: draw.one([
            { match: '^/(\\w+)/(.*)$', rewrite: '/\\2/\\1' },
            { match: 'a', rewrite: '-' },
            { match: '(b)?', rewrite: '/\\1' },
          ]),
        };
  return {
    route: draw.chance(0.8) ? [destination()] : [destination(100), destination(0)],
    ...draw.maybe(0.3, () => ({
      rewrite: { ...rewriteUri(), ...draw.maybe(0.4, () => ({ authority: draw.one(['other', 'other:81']) })) },
    })),
    ...draw.maybe(0.3, () => ({ timeout: draw.one(['5s', '7.5s']) })),
    ...draw.maybe(0.3, () => ({
      retries: draw.one([
        { attempts: 0 },
        { attempts: 2 },
        { attempts: 2, retryOn: draw.one(['5xx', '503', 'reset,409', 'retriable-4xx']) },
      ]),
    })),
    ...draw.maybe(0.2, () => ({
      fault: {
        abort: {
          percentage: { value: draw.one([100, 0]) },
          ...draw.one([{ httpStatus: 418 }, { httpStatus: 503 }, { httpStatus: 200 }]),
        },
      },
    })),
  };
};

const redirect = (draw: Draw) => ({
  redirect: {
    ...draw.one([
      { uri: '/' },
      { uri: '/moved' },
      { uri: '/moved/here?x=1' },
      { uri: '%PREFIX()%/p' },
      { authority: 'there' },
    ]),
    ...draw.maybe(0.5, () => ({ authority: draw.one(['elsewhere', 'elsewhere:8080']) })),
    ...draw.maybe(0.3, () => ({ scheme: draw.one(['https', 'http']) })),
    ...draw.maybe(0.4, () =>
      draw.one([
        { port: 81 },
        { port: 443 },
        { derivePort: 'FROM_PROTOCOL_DEFAULT' },
        { derivePort: 'FROM_REQUEST_PORT' },
      ]),
    ),
    ...draw.maybe(0.5, () => ({ redirectCode: draw.one([301, 302, 303, 307, 308]) })),
  },
});

const directResponse = (draw: Draw) => ({
  directResponse: {
    status: draw.one([200, 404, 503, 418]),
    ...draw.maybe(0.6, () => ({
      body: draw.one([{ string: 'said' }, { bytes: Buffer.from('b\u00fctes').toString('base64') }]),
    })),
  },
});

const corsPolicy = (draw: Draw) => ({
  corsPolicy: {
    allowOrigins: [
      draw.one([{ exact: 'http://a.test' }, { prefix: 'http://a' }, { regex: 'http://[ab]\\.test' }, { exact: '*' }]),
    ],
    ...draw.maybe(0.7, () => ({ allowMethods: draw.one([['GET'], ['GET', 'POST']]) })),
    ...draw.maybe(0.5, () => ({ allowHeaders: ['x-a', 'x-b'] })),
    ...draw.maybe(0.5, () => ({ exposeHeaders: ['x-backend'] })),
    ...draw.maybe(0.5, () => ({ maxAge: draw.one(['24h', '10s']) })),
    ...draw.maybe(0.5, () => ({ allowCredentials: draw.chance(0.5) })),
    ...draw.maybe(0.4, () => ({ unmatchedPreflights: draw.one(['FORWARD', 'IGNORE']) })),
  },
});

const rule = (draw: Draw) => ({
  ...draw.maybe(0.3, () => ({ name: draw.one(['first', 'second']) })),
  ...draw.maybe(0.95, () => ({ match: draw.list(1, 3, () => match(draw)) })),
  ...draw.one([route, route, route, route, redirect, directResponse])(draw),
  ...draw.maybe(0.3, () => headers(draw)),
  ...draw.maybe(0.25, () => corsPolicy(draw)),
});

/** Without a rule for its port a service would get the default route, which leads to any instance. */
const lastRule = { match: [{ uri: { exact: '/last' } }], directResponse: { status: 410 } };

const hosts = {
  sidecar: [
    ['reviews'],
    ['reviews'],
    ['reviews', 'ratings.default.svc.cluster.local'],
    ['*.default.svc.cluster.local'],
    ['reviews', '*.test'],
  ],
  gateway: [
    ['*'],
    ['*'],
    ['reviews', 'reviews.default'],
    ['*.test', 'reviews.default'],
    ['a.test', '*.default.svc.cluster.local'],
  ],
};

export const randomVirtualService = (draw: Draw, place: 'sidecar' | 'gateway'): object => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'rules', namespace: 'default' },
  spec: {
    hosts: draw.one(hosts[place]),
    ...(place === 'gateway' ? { gateways: ['edge'] } : {}),
    http: [...draw.list(1, 6, () => rule(draw)), lastRule, ...draw.list(0, 1, () => route(draw))],
  },
});
