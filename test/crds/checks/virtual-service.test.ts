import { describe, expect, it } from 'vitest';
import { errorsOf, httpRoute, virtualService, warningsOf } from '../support.ts';

const to = (host: string, weight?: number): object => ({
  destination: { host },
  ...(weight === undefined ? {} : { weight }),
});

describe('hosts of a VirtualService', () => {
  it.each([
    ['a short name', ['reviews']],
    ['a full name', ['reviews.default.svc.cluster.local']],
    ['a wildcard', ['*.example.com']],
    ['an address', ['10.0.0.1']],
    ['several that do not overlap', ['a.com', 'b.com', '*.c.com']],
  ])('may be %s', (_name, hosts) => {
    expect(errorsOf(virtualService({ hosts }))).toEqual([]);
  });

  it.each([
    ['*', ['*'], 'spec.hosts[0]: must not be "*" in rules for the mesh, only for gateways'],
    [
      'a name with a space',
      ['a b'],
      'spec.hosts[0]: must be a domain name or a wildcard prefix, got "a b" with the invalid label "a b"',
    ],
    ['an empty name', [''], 'spec.hosts[0]: must not be empty'],
    ['a number at the end', ['a.1'], 'spec.hosts[0]: must be a domain name, got "1" whose last label is a number'],
    ['the same twice', ['a.com', 'a.com'], 'spec.hosts[1]: overlaps spec.hosts[0]: "a.com" and "a.com"'],
    ['a wildcard over another host', ['*.com', 'a.com'], 'spec.hosts[1]: overlaps spec.hosts[0]: "a.com" and "*.com"'],
    [
      'a wildcard over a wildcard',
      ['*.foo.com', '*.com'],
      'spec.hosts[1]: overlaps spec.hosts[0]: "*.com" and "*.foo.com"',
    ],
    ['a very long name', ['a'.repeat(256)], 'spec.hosts[0]: must be at most 255 characters, got 256'],
  ])('must not be %s', (_name, hosts, error) => {
    expect(errorsOf(virtualService({ hosts }))).toEqual([error]);
  });

  it('may be * behind a gateway', () => {
    expect(errorsOf(virtualService({ hosts: ['*'], gateways: ['shop/front'] }))).toEqual([]);
  });

  it('may be absent in a delegate, which has nothing but http', () => {
    expect(errorsOf(virtualService({ hosts: [] }))).toEqual([]);
    const rest = {
      gateways: ['g'],
      tls: [{ match: [{ sniHosts: ['a'] }], route: [to('a')] }],
      tcp: [{ route: [to('a')] }],
    };
    expect(errorsOf(virtualService({ hosts: [], ...rest })).map((line) => line.split(':')[0])).toEqual([
      'spec.gateways',
      'spec.tls',
      'spec.tcp',
      'spec.tls[0].match[0].sniHosts[0]',
    ]);
  });
});

describe('an HTTP route', () => {
  it.each([
    [
      'nothing to do',
      { route: undefined },
      'spec.http[0].route: is required: a rule needs one of route, redirect and directResponse',
    ],
    ['route and redirect', { redirect: { uri: '/' } }, 'spec.http[0].route: must not stand beside redirect'],
    [
      'route and directResponse',
      { directResponse: { status: 503 } },
      'spec.http[0].route: must not stand beside directResponse',
    ],
    [
      'a redirect with a fault',
      { route: undefined, redirect: { uri: '/' }, fault: { abort: { httpStatus: 500 } } },
      'spec.http[0].fault: must not stand beside redirect',
    ],
    [
      'a redirect with a direct response',
      { route: undefined, redirect: { uri: '/' }, directResponse: { status: 200 } },
      'spec.http[0].directResponse: must not stand beside redirect',
    ],
    [
      'a bad timeout',
      { timeout: '1' },
      'spec.http[0].timeout: must be a duration such as 1h, 1m30s, 1.5s or 10ms, got "1"',
    ],
    [
      'several destinations without weight',
      { route: [to('a'), to('b')] },
      'spec.http[0].route: must have at least one weight above 0 when there are several destinations',
    ],
    ['* as destination', { route: [to('*')] }, 'spec.http[0].route[0].destination.host: must name one host, got "*"'],
    ['an empty destination', { route: [to('')] }, 'spec.http[0].route[0].destination.host: must not be empty'],
    [
      'a bad subset',
      { route: [{ destination: { host: 'a', subset: 'v 1' } }] },
      'spec.http[0].route[0].destination.subset: must be a DNS label (letters, digits and hyphens, at most 63 characters), got "v 1"',
    ],
    [
      'a port selector without a port',
      { route: [{ destination: { host: 'a', port: {} } }] },
      'spec.http[0].route[0].destination.port.number: is required',
    ],
    [
      'a host header set twice',
      { rewrite: { authority: 'a' }, headers: { request: { set: { Host: 'b' } } } },
      'spec.http[0].headers.request.set.Host: must not change the host again: rewrite.authority does',
    ],
    [
      'the host of a response',
      { headers: { response: { set: { host: 'b' } } } },
      'spec.http[0].headers.response.set.host: must not be changed here, got header "host"',
    ],
    [
      'a pseudo header',
      { headers: { request: { remove: [':path'] } } },
      'spec.http[0].headers.request.remove[0]: must not be changed here, got header ":path"',
    ],
    [
      'a control character in a header',
      { headers: { request: { set: { a: 'b\nc' } } } },
      'spec.http[0].headers.request.set.a: must not contain control characters, got "b\\nc"',
    ],
    [
      'mirror and mirrors',
      { mirror: { host: 'a' }, mirrors: [{ destination: { host: 'b' } }] },
      'spec.http[0].mirrors: must not stand beside mirror',
    ],
  ])('is refused with %s', (_name, route, error) => {
    expect(errorsOf(JSON.parse(JSON.stringify(httpRoute(route))))).toEqual([error]);
  });

  it.each([
    ['weights that do not sum to 100', { route: [to('a', 1), to('b', 2)] }],
    ['one destination of weight 0', { route: [to('a', 0)] }],
    ['a weight of 0 beside others', { route: [to('a', 100), to('b', 0)] }],
    ['a redirect', { route: [], redirect: { uri: '/', redirectCode: 308 } }],
    ['a timeout in minutes', { timeout: '1m30s' }],
    [
      'a header with variables',
      { headers: { request: { set: { a: '%REQ(x-a?x-b):20% 100%% %START_TIME(%s)%', b: '%V(["a", "b"])%' } } } },
    ],
  ])('may have %s', (_name, route) => {
    expect(errorsOf(httpRoute(route))).toEqual([]);
  });

  it.each(['%', 'a%', '%A', '%A(', '%A(x)', '%A(["x)%', '%%%'])(
    'is refused with the broken header format %s',
    (value) => {
      const [error] = errorsOf(httpRoute({ headers: { response: { add: { a: value } } } }));
      expect(error).toBe(
        `spec.http[0].headers.response.add.a: must be text with %VARIABLES%, a percent sign written %%, got "${value.replaceAll('"', '\\"')}"`,
      );
    },
  );

  it('checks the format of a long header value in linear time', () => {
    const started = performance.now();
    for (const value of [`%A(${' '.repeat(16_000)}`, '%A('.repeat(5000), '%'.repeat(16_001), '%A(["'.repeat(3000)]) {
      expect(errorsOf(httpRoute({ headers: { request: { set: { a: value } } } }))).toHaveLength(1);
    }
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe('the match of an HTTP route', () => {
  it.each([
    [
      'two kinds of text match',
      { uri: { exact: '/a', prefix: '/b' } },
      'spec.http[0].match[0].uri: must have only one of exact, prefix and regex, got exact and prefix',
    ],
    [
      'an empty prefix of a header',
      { headers: { a: { prefix: '' } } },
      'spec.http[0].match[0].headers.a.prefix: must not be empty',
    ],
    ['an empty regex', { uri: { regex: '' } }, 'spec.http[0].match[0].uri.regex: must not be empty'],
    [
      'a regex of 1025 bytes',
      { uri: { regex: 'é'.repeat(512) + 'a' } },
      'spec.http[0].match[0].uri.regex: must be at most 1024 bytes, got 1025',
    ],
    [
      'an empty header name',
      { headers: { '': {} } },
      'spec.http[0].match[0].headers[""]: header name must not be empty',
    ],
    [
      'a header name with a space',
      { withoutHeaders: { 'a b': {} } },
      'spec.http[0].match[0].withoutHeaders["a b"]: must be a header name, got "a b"',
    ],
    [
      'a bad source label',
      { sourceLabels: { app: '!' } },
      `spec.http[0].match[0].sourceLabels.app: must be a label value (letters, digits, '-', '_' and '.'), got "!"`,
    ],
    [
      'a bad source namespace',
      { sourceNamespace: 'a.b' },
      'spec.http[0].match[0].sourceNamespace: must be a DNS label (letters, digits and hyphens, at most 63 characters), got "a.b"',
    ],
    [
      'claims of a token in the mesh',
      { headers: { '@request.auth.claims.sub': { exact: 'x' } } },
      'spec.http[0].match[0].headers["@request.auth.claims.sub"]: must not match claims of a token in rules for the mesh, only for gateways',
    ],
  ])('is refused with %s', (_name, match, error) => {
    expect(errorsOf(httpRoute({ match: [match] }))).toEqual([error]);
  });

  it.each(['(?<=a)b', 'a(?=b)', '(a)\\1', '[', '*', 'a**'])('is refused with %s, which RE2 does not know', (regex) => {
    const [error = ''] = errorsOf(httpRoute({ match: [{ uri: { regex } }] }));
    expect(error).toContain(
      `spec.http[0].match[0].uri.regex: must be an RE2 regular expression, got ${JSON.stringify(regex)}`,
    );
  });

  it.each([
    ['an empty prefix of the uri', { uri: { prefix: '' } }],
    ['a present header', { headers: { a: {} } }],
    ['a present header in the old form', { headers: { a: { regex: '*' } }, withoutHeaders: { b: { regex: '*' } } }],
    ['an RE2 expression of 1024 bytes', { uri: { regex: 'a'.repeat(1024) } }],
    ['a case-insensitive expression', { headers: { a: { regex: '(?i)^abc$' } } }],
    ['a pseudo header', { headers: { ':method': { exact: 'GET' } } }],
    ['no port', { port: 0 }],
  ])('may have %s', (_name, match) => {
    expect(errorsOf(httpRoute({ match: [match] }))).toEqual([]);
  });
});

describe('faults, retries, redirects and CORS', () => {
  it('warns of retries elsewhere that never come', () => {
    const warned = (attempts: number): string[] =>
      warningsOf(httpRoute({ retries: { attempts, retryRemoteLocalities: true } }));
    expect(warned(1)).toEqual([
      'spec.http[0].retries.retryRemoteLocalities: has no effect: the first retry stays near, and attempts is 1',
    ]);
    expect(warned(2)).toEqual([]);
  });

  it.each([
    ['an empty fault', { fault: {} }, 'spec.http[0].fault: must have abort, delay or both'],
    [
      'a share that Envoy cannot count',
      { fault: { delay: { fixedDelay: '1s', percentage: { value: 0.00001 } } } },
      'spec.http[0].fault.delay.percentage.value: must be 0 or at least 0.0001, got 0.00001',
    ],
    [
      'two kinds of abort',
      { fault: { abort: { httpStatus: 500, grpcStatus: 'INTERNAL' } } },
      'spec.http[0].fault.abort: must have only one kind of error, got httpStatus and grpcStatus',
    ],
    [
      'an abort with status 600',
      { fault: { abort: { httpStatus: 600 } } },
      'spec.http[0].fault.abort.httpStatus: must be between 200 and 599, got 600',
    ],
    [
      'an HTTP/2 error',
      { fault: { abort: { http2Error: 'x' } } },
      'spec.http[0].fault.abort.http2Error: is not supported by Istio',
    ],
    ['negative retries', { retries: { attempts: -1 } }, 'spec.http[0].retries.attempts: must be >= 0, got -1'],
    [
      'an unknown retry condition',
      { retries: { attempts: 1, retryOn: '5xx,sometimes' } },
      `spec.http[0].retries.retryOn: must be a list of Envoy's retry conditions and HTTP statuses, got "sometimes"`,
    ],
    [
      'a redirect code of success',
      { route: [], redirect: { uri: '/', redirectCode: 200 } },
      'spec.http[0].redirect.redirectCode: must be between 300 and 399, got 200',
    ],
    [
      'a redirect to ftp',
      { route: [], redirect: { scheme: 'ftp' } },
      'spec.http[0].redirect.scheme: must be http or https, got "ftp"',
    ],
    [
      'a redirect with two ports',
      { route: [], redirect: { port: 80, derivePort: 'FROM_REQUEST_PORT' } },
      'spec.http[0].redirect: must have only one of port and derivePort',
    ],
    [
      'a huge direct response',
      { route: [], directResponse: { status: 200, body: { string: 'x'.repeat(1024 * 1024 + 1) } } },
      'spec.http[0].directResponse.body: must be at most 1 MiB, got 1048577 bytes',
    ],
    [
      'a rewrite of nothing',
      { rewrite: {} },
      'spec.http[0].rewrite: must have at least one of uri, uriRegexRewrite and authority',
    ],
    [
      'two rewrites',
      { rewrite: { uri: '/', uriRegexRewrite: { match: 'a', rewrite: 'b' } } },
      'spec.http[0].rewrite: must have only one of uri and uriRegexRewrite',
    ],
    [
      'a CORS origin without a match',
      { corsPolicy: { allowOrigins: [{}] } },
      'spec.http[0].corsPolicy.allowOrigins[0]: must have one of exact, prefix and regex',
    ],
    [
      'half a second of CORS',
      { corsPolicy: { maxAge: '1.5s' } },
      'spec.http[0].corsPolicy.maxAge: must be whole seconds, got "1.5s"',
    ],
    [
      'a CORS header with a space',
      { corsPolicy: { allowHeaders: ['a b'] } },
      'spec.http[0].corsPolicy.allowHeaders[0]: must be a header name, got "a b"',
    ],
  ])('are refused with %s', (_name, route, error) => {
    expect(errorsOf(httpRoute(route))).toEqual([error]);
  });

  it('take what Istio documents', () => {
    const retries = {
      attempts: 3,
      perTryTimeout: '2s',
      retryOn: 'connect-failure,503,retriable-status-codes',
      backoff: '25ms',
    };
    const fault = { delay: { fixedDelay: '5s', percentage: { value: 0.1 } }, abort: { grpcStatus: 'UNAVAILABLE' } };
    const corsPolicy = {
      allowOrigins: [{ regex: 'https://.*' }],
      allowMethods: ['GET', '*'],
      allowHeaders: ['*'],
      maxAge: '24h',
    };
    expect(errorsOf(httpRoute({ retries, fault, corsPolicy, timeout: '10s' }))).toEqual([]);
  });
});

describe('TLS and TCP routes', () => {
  const tls = (match: object): object =>
    virtualService({ hosts: ['*.example.com'], http: [], tls: [{ match: [match], route: [to('a')] }] });

  it.each([
    ['no SNI', {}, 'spec.tls[0].match[0].sniHosts: is required'],
    [
      'an SNI beyond the hosts',
      { sniHosts: ['a.org'] },
      'spec.tls[0].match[0].sniHosts[0]: must be covered by spec.hosts (*.example.com), got "a.org"',
    ],
    [
      'a wider SNI',
      { sniHosts: ['*.com'] },
      'spec.tls[0].match[0].sniHosts[0]: must be covered by spec.hosts (*.example.com), got "*.com"',
    ],
    [
      'a bad subnet',
      { sniHosts: ['a.example.com'], destinationSubnets: ['10.0.0.0/33'] },
      'spec.tls[0].match[0].destinationSubnets[0]: must be an IP address or a CIDR block, got "10.0.0.0/33"',
    ],
  ])('are refused with %s', (_name, match, error) => {
    expect(errorsOf(tls(match))).toEqual([error]);
  });

  it('take what lies within the hosts', () => {
    expect(
      errorsOf(tls({ sniHosts: ['a.example.com', '*.b.example.com'], destinationSubnets: ['10.0.0.0/8', '::1'] })),
    ).toEqual([]);
  });

  it('take the names that passthrough gateways generate', () => {
    const sniHosts = ['outbound_.80_._.reviews.example.com'];
    const spec = { hosts: ['*.com'], gateways: ['g'], http: [], tls: [{ match: [{ sniHosts }], route: [to('a')] }] };
    expect(errorsOf(virtualService(spec))).toEqual([]);
  });

  it('need somewhere to go', () => {
    expect(errorsOf(virtualService({ http: [], tcp: [{ match: [{ port: 3306 }] }] }))).toEqual([
      'spec.tcp[0].route: is required',
    ]);
  });
});

describe('exportTo and gateways', () => {
  it.each([
    ['a repetition', ['a', 'a'], 'spec.exportTo[1]: repeats "a"'],
    ['. and its own name', ['.', 'default'], 'spec.exportTo[1]: repeats "default"'],
    ['* and another', ['*', 'a'], 'spec.exportTo: must have no other entry beside "*"'],
    ['~', ['~'], 'spec.exportTo[0]: must be ".", "*" or the name of a namespace, got "~"'],
  ])('refuse %s', (_name, exportTo, error) => {
    expect(errorsOf(virtualService({ exportTo }))).toEqual([error]);
  });

  it('warn of the old form of gateway names', () => {
    expect(warningsOf(virtualService({ gateways: ['front.shop.svc.cluster.local'] }))).toEqual([
      "spec.gateways[0]: is the old form of a gateway's name: write shop/front",
    ]);
  });
});

describe('rules that no request reaches', () => {
  const route = [to('a')];

  it('are those behind a catch-all', () => {
    const http = [{ route }, { match: [{ uri: { prefix: '/a' } }], route }, { route }];
    expect(warningsOf(virtualService({ http }))).toEqual([
      'spec.http[1]: is never reached: spec.http[0] matches everything',
      'spec.http[2]: is never reached: spec.http[0] matches everything',
    ]);
  });

  it('are those with matches that came before, whatever their names', () => {
    const http = [
      { match: [{ name: 'one', uri: { exact: '/a' } }], route },
      { match: [{ name: 'two', uri: { exact: '/a' } }], route },
    ];
    expect(warningsOf(virtualService({ http }))).toEqual([
      'spec.http[1].match[0]: is never reached: spec.http[0] has the same match',
      'spec.http[1]: is never reached: earlier rules have all of its matches',
    ]);
  });

  it('are paths with a query, which no path is compared with', () => {
    const uri = { prefix: '/a?x=' };
    expect(warningsOf(virtualService({ http: [{ match: [{ uri }], route }] }))).toEqual([
      'spec.http[0].match[0].uri: never matches: a path is compared without its query, which queryParams match',
    ]);
  });

  it('are longer prefixes behind a shorter one, unless the shorter one asks for more', () => {
    const prefix = (value: string, more: object = {}): object => ({
      match: [{ uri: { prefix: value }, ...more }],
      route,
    });
    expect(warningsOf(virtualService({ http: [prefix('/a'), prefix('/a/b')] }))).toEqual([
      'spec.http[1].match[0]: is never reached: spec.http[0].match[0] matches a shorter prefix of it',
    ]);
    expect(warningsOf(virtualService({ http: [prefix('/a', { headers: { x: {} } }), prefix('/a/b')] }))).toEqual([]);
    expect(warningsOf(virtualService({ http: [prefix('/a/b'), prefix('/a')] }))).toEqual([]);
  });
});
