import { describe, expect, test } from 'vitest';
import { checkReferences, MeshIndex } from '../../../crds/references.ts';
import { checkRule, errorsOf, unsupportedOf, warningsOf } from '../support.ts';

const ofMatch = (match: object): object => checkRule({ match: [match] });
const ofList = (list: object): object => ofMatch({ lists: [{ attribute: 'source.ip', ...list }] });

describe('a CheckRule', () => {
  test.each([
    ['for all requests to a host', checkRule({})],
    [
      'for workloads with labels',
      checkRule({ host: undefined, selector: { matchLabels: { app: 'a' } }, action: 'ALLOW' }),
    ],
    ['that asks a provider', checkRule({ action: 'CUSTOM', provider: 'a', match: [{ ports: [8080] }] })],
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
    [
      'that asks about some requests',
      checkRule({ action: 'CUSTOM', provider: 'a', match: [{ ports: [80], methods: ['GET'] }] }),
      'spec.match[0].methods: is not supported where action is CUSTOM, only ports',
    ],
    ['with another status', checkRule({ status: 429 }), expect.stringContaining('spec.status: ')],
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
  });
});
