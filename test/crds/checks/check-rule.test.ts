import { describe, expect, test } from 'vitest';
import { checkReferences, MeshIndex } from '../../../crds/references.ts';
import { checkRule, errorsOf, unsupportedOf, warningsOf } from '../support.ts';

const ofMatch = (match: object): object => checkRule({ match: [match] });
const ofTime = (time: object): object => ofMatch({ time });
const ofList = (list: object): object => ofMatch({ lists: [{ attribute: 'source.ip', ...list }] });

describe('a CheckRule', () => {
  test.each([
    ['for all requests to a host', checkRule({})],
    [
      'for workloads with labels',
      checkRule({ host: undefined, selector: { matchLabels: { app: 'a' } }, action: 'ALLOW' }),
    ],
    [
      'that asks a provider',
      checkRule({ action: 'CUSTOM', provider: 'a', match: [{ ports: [8080], methods: ['GET'] }] }),
    ],
    ['that only counts', checkRule({ mode: 'SHADOW' })],
    [
      'of sources',
      ofMatch({
        source: {
          namespaces: ['shop'],
          services: ['web', 'web.shop.svc.cluster.local'],
          labels: { app: 'web' },
          ipBlocks: ['10.0.0.0/8', '10.0.0.1', 'fd00::/8'],
          notIpBlocks: ['10.9.0.0/16'],
          remoteIpBlocks: ['192.0.2.1'],
          notRemoteIpBlocks: ['::1'],
        },
      }),
    ],
    [
      'of requests',
      ofMatch({
        ports: [8080],
        methods: ['GET', 'POST'],
        paths: [{ exact: '/a' }, { prefix: '/b' }, { regex: '/c/[0-9]+' }],
        headers: { 'x-tenant': { exact: 'a' }, ':authority': { prefix: 'a.' }, 'x-any': {} },
        withoutHeaders: { 'x-debug': {} },
      }),
    ],
    [
      'with an answer of its own',
      checkRule({ denyWith: { status: 302, message: 'a'.repeat(4096), headers: { Location: '/login?a=%20b' } } }),
    ],
    [
      'of a time',
      ofTime({
        notBefore: '2026-01-31T18:00:00+01:00',
        notAfter: '2026-02-01T00:00:00.25Z',
        days: ['MON', 'SUN'],
        from: '22:00',
        to: '06:30',
        timeZone: 'Europe/Berlin',
      }),
    ],
    ['to the end of the day', ofTime({ from: '00:00', to: '24:00' })],
    ['of listed addresses', ofList({ values: ['10.0.0.1', '10.1.0.0/16'] })],
    ['of a file', ofList({ attribute: 'header:x-user', file: 'users.txt', refreshInterval: '5s', not: true })],
    ['of a URL', ofList({ attribute: 'path', url: 'https://lists.example.com/paths' })],
  ])('%s is valid and in force', (_, rule) => {
    const written = JSON.parse(JSON.stringify(rule)) as unknown;
    expect(errorsOf(written)).toEqual([]);
    expect(unsupportedOf(written)).toEqual([]);
  });

  test.each([
    ['without an action', checkRule({ action: undefined }), 'spec.action: is required'],
    ['that asks nobody', checkRule({ action: 'CUSTOM' }), 'spec.provider: must be set where action is CUSTOM'],
    ['that needs not ask', checkRule({ provider: 'a' }), 'spec.provider: has no effect on DENY'],
    [
      'that asks in the shadow',
      checkRule({ action: 'CUSTOM', provider: 'a', mode: 'SHADOW' }),
      'spec.mode: must be ENFORCE where action is CUSTOM',
    ],
    ['with another status', checkRule({ status: 429 }), expect.stringContaining('spec.status: ')],
    [
      'with an answer that is none',
      checkRule({ denyWith: { status: 200 } }),
      expect.stringContaining('spec.denyWith.status: '),
    ],
    [
      'with an empty answer',
      checkRule({ denyWith: {} }),
      'spec.denyWith: must have one of status, message and headers',
    ],
    [
      'with an answer where the provider has one',
      checkRule({ action: 'CUSTOM', provider: 'a', denyWith: { status: 404 } }),
      'spec.denyWith: has no effect on CUSTOM: the provider says what is answered',
    ],
    [
      'with a long answer',
      checkRule({ denyWith: { message: '\u00fc'.repeat(2049) } }),
      'spec.denyWith.message: must have at most 4096 bytes, got 4098',
    ],
    [
      'with an answer in two lines of head',
      checkRule({ denyWith: { headers: { link: 'a\r\nb' } } }),
      'spec.denyWith.headers.link: must be one line of text',
    ],
    [
      'with a length of its own',
      checkRule({ denyWith: { headers: { 'Content-Length': '1' } } }),
      'spec.denyWith.headers.Content-Length: is not up to a rule',
    ],
    ['of no time', ofTime({}), 'spec.match[0].time: must have at least one'],
    ['of no day', ofTime({ days: [] }), 'spec.match[0].time.days: must have at least one'],
    ['of a day that is none', ofTime({ days: ['MONDAY'] }), expect.stringContaining('spec.match[0].time.days[0]: ')],
    [
      'of a moment that is none',
      ofTime({ notBefore: '2026-02-30T00:00:00Z' }),
      expect.stringContaining('spec.match[0].time.notBefore: must be a moment such as'),
    ],
    [
      'of a day without a zone',
      ofTime({ notAfter: '2026-02-03' }),
      expect.stringContaining('must be a moment such as'),
    ],
    [
      'of a time that is over before it begins',
      ofTime({ notBefore: '2026-02-02T00:00:00Z', notAfter: '2026-02-02T01:00:00+01:00' }),
      'spec.match[0].time.notAfter: must be after notBefore',
    ],
    ['from an hour that is none', ofTime({ from: '24:00' }), expect.stringContaining('from 00:00 to 23:59')],
    ['to an hour that is none', ofTime({ to: '9:00' }), expect.stringContaining('from 00:00 to 24:00')],
    [
      'of a moment of the day',
      ofTime({ from: '09:00', to: '09:00' }),
      'spec.match[0].time.to: must be another time than from',
    ],
    [
      'of an unknown zone',
      ofTime({ from: '09:00', timeZone: 'Mars/Olympus' }),
      expect.stringContaining('spec.match[0].time.timeZone: must be a time zone such as Europe/Berlin'),
    ],
    [
      'of a zone for nothing',
      ofTime({ notAfter: '2026-02-02T00:00:00Z', timeZone: 'UTC' }),
      'spec.match[0].time.timeZone: has no effect without days, from and to',
    ],
    ['for nobody', checkRule({ host: undefined }), 'spec: must have one of host and selector'],
    ['for two', checkRule({ selector: { matchLabels: { a: 'b' } } }), 'spec: must have one of host and selector'],
    ['for a wildcard', checkRule({ host: '*.a.com' }), expect.stringContaining('spec.host: must be a domain name')],
    ['with an empty match', ofMatch({}), 'spec.match[0]: must have a condition: without match every request is meant'],
    ['of no method', ofMatch({ methods: [] }), 'spec.match[0].methods: must have at least one'],
    ['of a method that is none', ofMatch({ methods: ['get'] }), expect.stringContaining('spec.match[0].methods[0]: ')],
    ['of a path without a slash', ofMatch({ paths: [{ exact: 'a' }] }), 'spec.match[0].paths[0]: must begin with /'],
    ['of a query', ofMatch({ paths: [{ prefix: '/a?b' }] }), expect.stringContaining('without its query')],
    ['of any path', ofMatch({ paths: [{}] }), 'spec.match[0].paths[0]: must have one of exact, prefix and regex'],
    [
      'of a regex that is none',
      ofMatch({ paths: [{ regex: '(?=a)' }] }),
      expect.stringContaining('spec.match[0].paths[0].regex: '),
    ],
    ['of a header in upper case', ofMatch({ headers: { 'X-A': {} } }), 'spec.match[0].headers.X-A: must be lower case'],
    ['of a port that is none', ofMatch({ ports: [0] }), expect.stringContaining('spec.match[0].ports[0]: ')],
    ['of no source', ofMatch({ source: { services: [] } }), 'spec.match[0].source.services: must have at least one'],
    [
      'of a block that is none',
      ofMatch({ source: { ipBlocks: ['10.0.0.0/33'] } }),
      expect.stringContaining('spec.match[0].source.ipBlocks[0]: '),
    ],
    [
      'of an unknown attribute',
      ofList({ attribute: 'user', values: ['a'] }),
      expect.stringContaining('spec.match[0].lists[0].attribute: must be one of'),
    ],
    [
      'of a list that is nowhere',
      ofList({}),
      'spec.match[0].lists[0]: must have one of values, file and url, got none',
    ],
    [
      'of a list in two places',
      ofList({ values: ['10.0.0.1'], file: 'a' }),
      'spec.match[0].lists[0]: must have one of values, file and url, got values and file',
    ],
    [
      'of listed words for addresses',
      ofList({ values: ['a'] }),
      expect.stringContaining('spec.match[0].lists[0].values[0]: '),
    ],
    [
      'of a file elsewhere',
      ofList({ file: '../secret' }),
      expect.stringContaining('must be the name of a file, without a folder'),
    ],
    [
      'of a URL that is none',
      ofList({ url: 'file:///etc/passwd' }),
      expect.stringContaining('must be an http or https URL'),
    ],
    [
      'of a URL with a password',
      ofList({ url: 'http://a:b@c/' }),
      'spec.match[0].lists[0].url: must not have a user or a password',
    ],
    [
      'of a list that is read too often',
      ofList({ file: 'a', refreshInterval: '10ms' }),
      'spec.match[0].lists[0].refreshInterval: must be at least 1s, got "10ms"',
    ],
    [
      'of values that would be read again',
      ofList({ values: ['10.0.0.1'], refreshInterval: '1s' }),
      'spec.match[0].lists[0].refreshInterval: has no effect on values',
    ],
    [
      'of too many values',
      ofList({ values: Array.from({ length: 10_001 }, () => '10.0.0.1') }),
      'spec.match[0].lists[0].values: must be at most 10000, got 10001',
    ],
  ])('%s is refused', (_, rule, error) => {
    expect(errorsOf(JSON.parse(JSON.stringify(rule)))).toEqual([error]);
  });

  test('whose selector has no labels is warned about: it is for a whole namespace', () => {
    const rule = JSON.parse(JSON.stringify(checkRule({ host: undefined, selector: {} }))) as unknown;
    expect(errorsOf(rule)).toEqual([]);
    expect(warningsOf(rule)).toEqual([expect.stringContaining('it selects every workload of the namespace')]);
  });

  test('of a provider that the mesh configuration does not have is refused', () => {
    const rule = (provider: string) => ({
      kind: 'CheckRule',
      spec: { selector: {}, action: 'CUSTOM', provider },
      metadata: { name: 'rule', namespace: 'default' },
    });
    const extensionProviders = [{ name: 'opa', envoyExtAuthzGrpc: { service: 'opa.example.com', port: 9191 } }];
    const mesh = new MeshIndex({ resources: [], serviceExists: () => true, meshConfig: { extensionProviders } });
    expect(checkReferences(rule('opa'), mesh).errors).toEqual([]);
    expect(checkReferences(rule('oqa'), mesh).errors).toEqual([
      {
        path: 'spec.provider',
        message: 'no provider of authorization "oqa" is in the mesh configuration (did you mean "opa"?)',
      },
    ]);
  });

  test('of a host that no service has is warned about', () => {
    const metadata = { name: 'rule', namespace: 'default' };
    const mesh = new MeshIndex({ resources: [], serviceExists: (host) => host.startsWith('ratings') });
    const warnings = (spec: object): string[] =>
      checkReferences({ kind: 'CheckRule', spec, metadata }, mesh).warnings.map(({ message }) => message);
    expect(warnings({ host: 'reviews', action: 'DENY' })).toEqual(['no service "reviews" is known yet']);
    expect(warnings({ host: 'ratings', action: 'DENY' })).toEqual([]);
    expect(warnings({ selector: {}, action: 'DENY' })).toEqual([]);
    const match = [{ source: { services: ['ratings', 'reviews'] } }];
    expect(warnings({ selector: {}, action: 'DENY', match })).toEqual([
      'no service "reviews" is known yet: until then nobody is meant',
    ]);
  });

  test('that cannot be enforced at a port of its host, or at its host, is warned about', () => {
    const metadata = { name: 'rule', namespace: 'default' };
    const ports = [
      { port: 80, name: 'http' },
      { port: 5432, name: 'tcp-db', targetPort: 15_432 },
      { port: 7000, name: 'grpc' },
      { port: 9000 },
      { port: 53, name: 'dns', protocol: 'UDP' },
    ];
    const entry = (location: object) => ({
      kind: 'ServiceEntry',
      metadata,
      spec: { hosts: ['a.example.com'], ports: [{ number: 443, name: 'https' }], ...location },
    });
    const warnings = (spec: object, location: object = {}): string[] => {
      const service = { kind: 'Service', metadata: { name: 'db', namespace: 'default' }, spec: { ports } };
      const mesh = new MeshIndex({ resources: [service, entry(location)], serviceExists: () => true });
      const { warnings: found } = checkReferences({ kind: 'CheckRule', spec, metadata }, mesh);
      return found.map(({ path, message }) => `${path} ${message}`);
    };
    const sources = { source: { ipBlocks: ['10.0.0.0/8'] } };
    expect(warnings({ host: 'db', action: 'DENY', match: [sources, { ports: [80], methods: ['GET'] }] })).toEqual([]);
    expect(warnings({ host: 'db', action: 'DENY' })).toEqual([]);
    expect(warnings({ host: 'db', action: 'ALLOW', match: [{ ...sources, paths: [{ exact: '/a' }] }] })).toEqual([
      'spec.match[0] lets in no connection to port 15432 of "db": what carries no HTTP that is read has no methods, paths and headers',
    ]);
    expect(warnings({ host: 'db', action: 'CUSTOM', provider: 'a' })).toEqual([
      'spec.action asks nobody about connections to port 15432 of "db", which carry no HTTP that is read',
    ]);
    expect(warnings({ host: 'a.example.com', action: 'DENY' })).toEqual([
      'spec.host "a.example.com" is outside of the mesh: the rule is in force at the workloads that serve a host',
    ]);
    expect(warnings({ host: 'a.example.com', action: 'DENY' }, { location: 'MESH_INTERNAL' })).toEqual([]);
  });
});
