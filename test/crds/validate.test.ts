import { describe, expect, it } from 'vitest';
import { validateResource } from '../../crds/validate.ts';
import { destinationRule, errorsOf, httpRoute, resource, service, virtualService } from './support.ts';

describe('what every resource needs', () => {
  it.each([
    ['a text', 'hello', 'must be a resource with apiVersion, kind, metadata and spec, got "hello"'],
    ['a list', [], 'must be a resource with apiVersion, kind, metadata and spec, got []'],
    ['nothing', null, 'must be a resource with apiVersion, kind, metadata and spec, got null'],
    ['an empty object', {}, 'kind: is required'],
    ['a kind that is no text', { kind: 5 }, 'kind: must be a string, got 5'],
  ])('refuses %s', (_name, input, error) => {
    expect(errorsOf(input)).toEqual([error]);
  });

  it('suggests the kind that was probably meant', () => {
    const [error] = errorsOf({ apiVersion: 'networking.istio.io/v1', kind: 'VirtualServce' });
    expect(error).toBe('kind: unknown kind "VirtualServce" (did you mean "VirtualService"?)');
  });

  it('lists the known kinds when nothing is near', () => {
    const [error] = errorsOf({ apiVersion: 'v1', kind: 'Pod' });
    expect(error).toBe(
      'kind: unknown kind "Pod", known are VirtualService, DestinationRule, ServiceEntry, Gateway, Sidecar, WorkloadEntry, RateLimit, Canary, CheckRule, Telemetry, Service',
    );
  });

  it('names the versions of the kind when apiVersion is another one', () => {
    const expected = 'networking.istio.io/v1 or networking.istio.io/v1beta1 or networking.istio.io/v1alpha3';
    expect(errorsOf({ ...virtualService({}), apiVersion: 'networking.istio.io/v2' })).toEqual([
      `apiVersion: must be ${expected} for kind VirtualService, got "networking.istio.io/v2"`,
    ]);
    expect(errorsOf({ ...virtualService({}), apiVersion: undefined })).toEqual(['apiVersion: is required']);
  });

  it.each(['v1', 'v1beta1', 'v1alpha3'])('takes version %s and stores the preferred one', (version) => {
    const { value } = validateResource({ ...virtualService({}), apiVersion: `networking.istio.io/${version}` });
    expect(value?.resource.apiVersion).toBe('networking.istio.io/v1');
  });

  it('takes annotations and labels with nothing behind them for none, as Kubernetes does', () => {
    const spec = { hosts: ['a'], http: [{ route: [{ destination: { host: 'a' } }] }] };
    const { value } = validateResource(resource('VirtualService', spec, { annotations: null, labels: null }));
    expect(value?.resource.metadata).toEqual({ name: 'case', namespace: 'default' });
  });

  it.each([
    ['no name', { name: undefined }, 'metadata.name: is required'],
    [
      'a name in capitals',
      { name: 'Reviews' },
      `metadata.name: must be lower-case letters, digits, '-' and '.', at most 253, got "Reviews"`,
    ],
    [
      'a name with a slash',
      { name: 'a/b' },
      `metadata.name: must be lower-case letters, digits, '-' and '.', at most 253, got "a/b"`,
    ],
    [
      'a bad namespace',
      { namespace: 'a.b' },
      `metadata.namespace: must be lower-case letters, digits and '-', at most 63, got "a.b"`,
    ],
    ['a label that is no text', { labels: { app: 5 } }, 'metadata.labels.app: must be a string, got 5'],
    [
      'a bad label key',
      { labels: { '-x': 'y' } },
      'metadata.labels["-x"]: must be a label key such as app or example.com/app, got "-x"',
    ],
    ['a misspelt field', { lables: {} }, 'metadata.lables: unknown field (did you mean "labels"?)'],
  ])('refuses %s', (_name, metadata, error) => {
    expect(
      errorsOf(
        JSON.parse(
          JSON.stringify(
            resource('VirtualService', { hosts: ['a'], http: [{ route: [{ destination: { host: 'a' } }] }] }, metadata),
          ),
        ),
      ),
    ).toEqual([error]);
  });

  it('takes what a server sets back from the user and leaves it out of what is stored', () => {
    const metadata = {
      uid: 'u',
      resourceVersion: '7',
      generation: 3,
      creationTimestamp: null,
      labels: { app: 'shop' },
    };
    const { value } = validateResource({
      ...resource('VirtualService', {}, metadata),
      spec: { hosts: ['a'], http: [{ route: [{ destination: { host: 'a' } }] }] },
      status: { ready: true },
    });
    expect(value?.resource.metadata).toEqual({ name: 'case', namespace: 'default', labels: { app: 'shop' } });
    expect(value?.resource).not.toHaveProperty('status');
    expect(value?.resourceVersion).toBe('7');
  });

  it('puts a resource without a namespace into the default one of the call', () => {
    const { value } = validateResource({ ...virtualService({}), metadata: { name: 'reviews' } }, 'shop');
    expect(value?.resource.metadata.namespace).toBe('shop');
  });

  it('needs a spec', () => {
    expect(errorsOf({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' } })).toEqual(['spec: is required']);
    expect(errorsOf({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' }, spec: 5 })).toEqual([
      'spec: must be an object, got 5',
    ]);
  });
});

describe('errors of the schema', () => {
  it('are all reported, each with the path as the user would write it', () => {
    const input = virtualService({
      http: [
        { route: [{ destination: { host: 'a', port: { number: 70_000 } }, weight: -1 }], timout: '1s' },
        {
          match: [{ headers: { 'x-user': { exct: 'a' }, 'a.b': { exact: 1 } } }],
          route: [{ destination: { hst: 'a' } }],
        },
      ],
      htp: [],
    });
    expect(errorsOf(input).toSorted()).toEqual([
      'spec.htp: unknown field (did you mean "http"?)',
      'spec.http[0].route[0].destination.port.number: must be <= 65535, got 70000',
      'spec.http[0].route[0].weight: must be >= 0, got -1',
      'spec.http[0].timout: unknown field (did you mean "timeout"?)',
      'spec.http[1].match[0].headers.x-user.exct: unknown field (did you mean "exact"?)',
      'spec.http[1].match[0].headers["a.b"].exact: must be a string, got 1',
      'spec.http[1].route[0].destination.host: is required',
      'spec.http[1].route[0].destination.hst: unknown field (did you mean "host"?)',
    ]);
  });

  it('stand beside errors of the relations between fields when the types are right', () => {
    const input = httpRoute({ route: [{ destination: { host: 'a..b' }, weight: -1 }], retires: {} });
    expect(errorsOf(input)).toEqual([
      'spec.http[0].retires: unknown field (did you mean "retries"?)',
      'spec.http[0].route[0].weight: must be >= 0, got -1',
      'spec.http[0].route[0].destination.host: must be a domain name, got ".b" with the invalid label ""',
    ]);
  });

  it('are more than eight when there are more', () => {
    const routes = Array.from({ length: 50 }, () => ({ destination: { host: 'a' }, weight: -1 }));
    expect(
      errorsOf(httpRoute({ route: routes })).filter((line) => line.includes('.weight: must be >= 0')),
    ).toHaveLength(50);
  });

  it.each([
    [
      'a word outside an enum',
      { trafficPolicy: { loadBalancer: { simple: 'ROUND_ROBBIN' } } },
      'spec.trafficPolicy.loadBalancer.simple: must be one of UNSPECIFIED, LEAST_CONN, RANDOM, PASSTHROUGH, ROUND_ROBIN, LEAST_REQUEST, got "ROUND_ROBBIN" (did you mean "ROUND_ROBIN"?)',
    ],
    ['a list instead of an object', { trafficPolicy: [] }, 'spec.trafficPolicy: must be an object, got []'],
    ['an object instead of a list', { subsets: {} }, 'spec.subsets: must be a list, got {}'],
    ['null', { subsets: [null] }, 'spec.subsets[0]: must be an object, got null'],
    [
      'a fraction',
      { trafficPolicy: { connectionPool: { tcp: { maxConnections: 1.5 } } } },
      'spec.trafficPolicy.connectionPool.tcp.maxConnections: must be an integer, got 1.5',
    ],
    [
      'a word instead of a flag',
      { trafficPolicy: { outlierDetection: { splitExternalLocalOriginErrors: 'yes' } } },
      'spec.trafficPolicy.outlierDetection.splitExternalLocalOriginErrors: must be true or false, got "yes"',
    ],
    ['a number instead of a text', { host: 5 }, 'spec.host: must be a string, got 5'],
    [
      'a warm-up that cannot grow',
      { trafficPolicy: { loadBalancer: { warmup: { duration: '1s', aggression: 0 } } } },
      'spec.trafficPolicy.loadBalancer.warmup.aggression: must be > 0, got 0',
    ],
  ])('name %s', (_name, spec, error) => {
    expect(errorsOf(destinationRule(spec))).toEqual([error]);
  });

  it('shorten long values', () => {
    const [error = ''] = errorsOf(destinationRule({ trafficPolicy: 'x'.repeat(10_000) }));
    expect(error).toHaveLength('spec.trafficPolicy: must be an object, got '.length + 60);
  });

  it('refuse __proto__ as a field', () => {
    const spec = JSON.parse('{"ports": [{"port": 80}], "__proto__": {"polluted": true}}') as object;
    expect(errorsOf(resource('Service', spec))).toEqual(['spec.__proto__: unknown field']);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  it('do not trip over thousands of hostile fields', () => {
    const fields = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`field${index}`.repeat(20), index]));
    expect(errorsOf(service(fields)).length).toBeGreaterThan(100);
  });
});
