import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryStore } from '../../../crds/memory-store.ts';
import { StoppedClock } from '../../crds/store-conformance.ts';
import { destinationRule, service, startApi, type TestApi, virtualService } from './support.ts';

interface Refusal {
  readonly message: string;
  readonly errors: readonly { readonly index: number; readonly path: string; readonly message: string }[];
}

/** A VirtualService of `reviews` that goes to one subset. */
const toSubset = (subset: string, name = 'reviews'): object =>
  virtualService(name, { hosts: ['reviews'], http: [{ route: [{ destination: { host: 'reviews', subset } }] }] });

describe('POST /apply', () => {
  let api: TestApi;
  let clock: StoppedClock;
  let registered: Set<string>;

  beforeEach(async () => {
    registered = new Set();
    clock = new StoppedClock();
    api = await startApi({
      clock,
      store: new MemoryStore({ clock }),
      references: { serviceExists: (host) => registered.has(host) },
    });
  });
  afterEach(() => api.close());

  const refused = async (resources: readonly unknown[]): Promise<string[]> => {
    const before = api.store.revision;
    const { status, body } = await api.call('POST', '/apply', resources);
    expect(status).toBe(422);
    expect(api.store.revision).toBe(before);
    return (body as Refusal).errors.map(({ index, path, message }) => `${index} ${path}: ${message}`);
  };

  it('stores all resources as one revision and says what became of each', async () => {
    const resources = [service('reviews'), destinationRule('reviews', ['v1', 'v2']), toSubset('v1')];
    const first = await api.call('POST', '/apply', resources);
    expect(first.status).toBe(200);
    expect(first.body).toEqual({
      revision: 1,
      results: [
        { apiVersion: 'v1', kind: 'Service', namespace: 'default', name: 'reviews', result: 'created' },
        {
          apiVersion: 'networking.istio.io/v1',
          kind: 'DestinationRule',
          namespace: 'default',
          name: 'reviews',
          result: 'created',
        },
        {
          apiVersion: 'networking.istio.io/v1',
          kind: 'VirtualService',
          namespace: 'default',
          name: 'reviews',
          result: 'created',
        },
      ],
      warnings: [],
    });
    const second = await api.call('POST', '/apply', [resources[0], resources[1], toSubset('v2'), service('ratings')]);
    expect(second.body).toMatchObject({
      revision: 2,
      results: [{ result: 'unchanged' }, { result: 'unchanged' }, { result: 'configured' }, { result: 'created' }],
    });
    const third = await api.call('POST', '/apply', [toSubset('v2')]);
    expect(third.body).toMatchObject({ revision: 2, results: [{ result: 'unchanged' }] });
  });

  it('lets a VirtualService and its DestinationRule see each other, in any order', async () => {
    registered.add('reviews.default.svc.cluster.local');
    expect((await api.call('POST', '/apply', [toSubset('v1'), destinationRule('reviews', ['v1'])])).status).toBe(200);
  });

  it.each([
    [
      'weight -1',
      virtualService('a', { http: [{ route: [{ destination: { host: 'a' }, weight: -1 }] }] }),
      '1 spec.http[0].route[0].weight: must be >= 0, got -1',
    ],
    [
      'an unknown kind',
      { apiVersion: 'v1', kind: 'Servce', metadata: { name: 'a' } },
      '1 kind: unknown kind "Servce" (did you mean "Service"?)',
    ],
    ['an unknown field', virtualService('a', { htp: [] }), '1 spec.htp: unknown field (did you mean "http"?)'],
    [
      'what is not in force yet',
      virtualService('a', {
        tcp: [{ match: [{ sourceSubnet: '10.0.0.0/8' }], route: [{ destination: { host: 'reviews' } }] }],
      }),
      '1 spec.tcp[0].match[0].sourceSubnet: is not supported yet',
    ],
    [
      'no destination host',
      virtualService('a', { http: [{ route: [{ destination: {} }] }] }),
      '1 spec.http[0].route[0].destination.host: is required',
    ],
    ['port 70000', service('a', 70_000), '1 spec.ports[0].port: must be <= 65535, got 70000'],
    [
      'an unknown subset of a known host',
      toSubset('v9'),
      '1 spec.http[0].route[0].destination.subset: no DestinationRule of host "reviews" defines subset "v9", none is defined',
    ],
    [
      'the same resource twice',
      service('reviews'),
      '1 metadata.name: repeats resource 0 of this call: Service/default/reviews',
    ],
    ['something that is no resource', 5, '1 : must be a resource with apiVersion, kind, metadata and spec, got 5'],
  ])('stores nothing when one resource has %s', async (_name, bad, error) => {
    expect(await refused([service('reviews'), bad, service('ratings')])).toEqual([error]);
    expect(api.store.list()).toEqual([]);
  });

  it('reports every error of every resource', async () => {
    const bad = virtualService('a', {
      hosts: ['a b'],
      http: [{ route: [{ destination: { host: 'a' }, weight: -1 }] }],
    });
    expect(await refused([service('a', 0), service('b'), bad])).toEqual([
      '0 spec.ports[0].port: must be >= 1, got 0',
      '2 spec.http[0].route[0].weight: must be >= 0, got -1',
      '2 spec.hosts[0]: must be a domain name or a wildcard prefix, got "a b" with the invalid label "a b"',
    ]);
  });

  it('says in one message how many resources were refused', async () => {
    const { body } = await api.call('POST', '/apply', [service('a', 0), service('b')]);
    expect(body).toMatchObject({
      kind: 'Status',
      reason: 'Invalid',
      message: '1 of 2 resources refused, nothing was stored:\nspec.ports[0].port: must be >= 1, got 0',
      details: { causes: [{ field: 'spec.ports[0].port' }] },
    });
  });

  it('warns of hosts that nobody knows yet, and knows those of registered workloads', async () => {
    const unknown = await api.call('POST', '/apply?dryRun=All', [toSubset('v1')]);
    expect(unknown.body).toMatchObject({
      warnings: [
        { index: 0, path: 'spec.http[0].route[0].destination.host', message: 'no service "reviews" is known yet' },
        { index: 0, path: 'spec.http[0].route[0].destination.subset' },
      ],
    });
    registered.add('reviews.default.svc.cluster.local');
    expect(await refused([toSubset('v1')])).toHaveLength(1);
  });

  it('warns of a second VirtualService of a host, by name', async () => {
    await api.call('POST', '/apply', [
      service('reviews'),
      virtualService('zoo', { hosts: ['reviews'], http: [{ route: [{ destination: { host: 'reviews' } }] }] }),
    ]);
    clock.now += 1000;
    const { body } = await api.call('POST', '/apply', [virtualService('reviews')]);
    expect(body).toMatchObject({
      warnings: [
        {
          index: 0,
          path: 'spec.hosts[0]',
          message:
            'VirtualService default/zoo is older and has host "reviews" too: it wins, this one is ignored for that host',
        },
      ],
    });
  });

  it('keeps a subset from being taken away from under a route', async () => {
    await api.call('POST', '/apply', [service('reviews'), destinationRule('reviews', ['v1', 'v2']), toSubset('v2')]);
    expect(await refused([destinationRule('reviews', ['v1'])])).toEqual([
      '0 spec.subsets: subset "v2" must stay: VirtualService default/reviews routes to it (spec.http[0].route[0].destination)',
    ]);
    expect((await api.call('POST', '/apply', [destinationRule('reviews', ['v1']), toSubset('v1')])).status).toBe(200);
  });

  it('judges calls one after the other, so that what was judged is what is stored', async () => {
    await api.call('POST', '/apply', [service('reviews'), destinationRule('reviews', ['v1', 'v2'])]);
    const answers = await Promise.all([
      api.call('POST', '/apply', [destinationRule('reviews', ['v1'])]),
      api.call('POST', '/apply', [toSubset('v2')]),
    ]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 422]);
  });

  it('stores nothing on a dry run, and answers as if it had', async () => {
    const { body } = await api.call('POST', '/apply?dryRun=All', [service('reviews')]);
    expect(body).toMatchObject({ revision: 0, results: [{ result: 'created' }] });
    expect(api.store.list()).toEqual([]);
  });

  it('puts resources without a namespace where the call says', async () => {
    await api.call('POST', '/apply?namespace=shop', [
      service('a'),
      { ...service('b'), metadata: { name: 'b', namespace: 'other' } },
    ]);
    expect(api.store.list().map(({ metadata }) => metadata.namespace)).toEqual(['shop', 'other']);
  });

  it('keeps to the resourceVersion that was written', async () => {
    await api.call('POST', '/apply', [service('a')]);
    const at = (resourceVersion: string): Promise<{ status: number }> =>
      api.call('POST', '/apply', [service('b'), { ...service('a', 81), metadata: { name: 'a', resourceVersion } }]);
    expect((await at('7')).status).toBe(409);
    expect(api.store.revision).toBe(1);
    expect((await at('1')).status).toBe(200);
  });

  it.each([
    ['{"kind": "List"}', 'expected a JSON list of resources'],
    ['', 'expected a JSON list of resources'],
    ['[{]', /^the body is not valid JSON: /],
    ['[{"__proto__": {}}]', 'the body has the key __proto__, which is not allowed'],
    [`${'['.repeat(70)}${']'.repeat(70)}`, 'the body nests deeper than 64 levels'],
  ])('refuses the body %s', async (text, message) => {
    const { status, body } = await api.call('POST', '/apply', text);
    expect(status).toBe(400);
    const expected: unknown = typeof message === 'string' ? message : expect.stringMatching(message);
    expect((body as Refusal).message).toEqual(expected);
  });

  it('answers 500 with the reason when the store fails, and lives', async () => {
    class BrokenStore extends MemoryStore {
      override commit = (): Promise<never> => Promise.reject(new Error('the disk is full'));
    }
    const broken = await startApi({ store: new BrokenStore() });
    const { status, body } = await broken.call('POST', '/apply', [service('a')]);
    expect(status).toBe(500);
    expect(body).toMatchObject({ reason: 'InternalError', message: 'the disk is full' });
    expect((await broken.call('GET', '/healthz')).text).toBe('ok');
    await broken.close();
  });
});
