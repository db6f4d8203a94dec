import { describe, expect, test } from 'vitest';
import type { AccessLogConfig } from '../../../crds/access-log.ts';
import { checkReferences, MeshIndex, type SomeResource } from '../../../crds/references.ts';
import type { TelemetrySpec } from '../../../crds/telemetry.ts';
import { findKindByAnyName } from '../../../crds/kinds.ts';
import { errorsOf, resource, unsupportedOf, warningsOf } from '../support.ts';

const telemetry = (spec: object, version = 'v1'): object => ({
  ...resource('Telemetry', spec),
  apiVersion: `telemetry.istio.io/${version}`,
});
const overriding = (override: object): object =>
  telemetry({ metrics: [{ providers: [{ name: 'prometheus' }], overrides: [override] }] });
const logging = (entry: object): object => telemetry({ accessLogging: [entry] });

describe('a Telemetry', () => {
  test('is known by its name in any form', () => {
    for (const name of ['telemetry', 'Telemetry', 'telemetries', 'telemetry.telemetry.istio.io']) {
      expect(findKindByAnyName(name)?.kind).toBe('Telemetry');
    }
  });

  test.each([
    ['that says nothing', telemetry({})],
    ['of the older version', telemetry({ accessLogging: [{}] }, 'v1alpha1')],
    ['that selects workloads', telemetry({ selector: { matchLabels: { app: 'a' } }, accessLogging: [{}] })],
    ['with providers', logging({ providers: [{ name: 'envoy' }, { name: 'other' }] })],
    ['that is disabled for clients', logging({ disabled: true, match: { mode: 'CLIENT' } })],
    ['with a filter', logging({ filter: { expression: 'response.code >= 400' } })],
    ['without a metric', telemetry({ metrics: [{ overrides: [{ disabled: true }] }] })],
    [
      'without some metrics of servers',
      overriding({ match: { metric: 'REQUEST_SIZE', mode: 'SERVER' }, disabled: true }),
    ],
    ['without a label', overriding({ tagOverrides: { request_protocol: { operation: 'REMOVE' } } })],
    ['with a label more', overriding({ match: { metric: 'ALL_METRICS' }, tagOverrides: { zone: { value: "'a b'" } } })],
    ['with a filter that is empty', logging({ filter: { expression: '' } })],
  ])('%s is valid and in force', (_, input) => {
    expect(errorsOf(input)).toEqual([]);
    expect(unsupportedOf(input)).toEqual([]);
  });

  test.each([
    [
      'without the name of a provider',
      logging({ providers: [{}] }),
      'spec.accessLogging[0].providers[0].name: is required',
    ],
    [
      'with an empty name',
      logging({ providers: [{ name: '' }] }),
      'spec.accessLogging[0].providers[0].name: must not be empty',
    ],
    [
      'with an unknown mode',
      logging({ match: { mode: 'SERVERS' } }),
      'spec.accessLogging[0].match.mode: must be one of CLIENT_AND_SERVER, CLIENT, SERVER, got "SERVERS" (did you mean "SERVER"?)',
    ],
    [
      'with a filter that cannot be read',
      logging({ filter: { expression: 'response.code >= ' } }),
      expect.stringMatching(
        /^spec\.accessLogging\[0\]\.filter\.expression: expected a number, got the end at character 18/,
      ),
    ],
    [
      'with a wildcard in its selector',
      telemetry({ selector: { matchLabels: { app: '*' } } }),
      'spec.selector.matchLabels.app: must not contain a wildcard',
    ],
    [
      'with a field that nobody knows',
      telemetry({ logging: [] }),
      expect.stringMatching(/^spec\.logging: unknown field/),
    ],
  ])('%s is refused', (_, input, error) => {
    expect(errorsOf(input)).toEqual([error]);
  });

  test.each([
    [
      'a label that Prometheus could not take',
      { tagOverrides: { 'a-b': { operation: 'REMOVE' } } },
      'spec.metrics[0].overrides[0].tagOverrides.a-b: must be the name of a label of Prometheus',
    ],
    [
      'no value for a label',
      { tagOverrides: { a: {} } },
      'spec.metrics[0].overrides[0].tagOverrides.a.value: must be set',
    ],
    [
      'a value for a label that is removed',
      { tagOverrides: { a: { operation: 'REMOVE', value: '"x"' } } },
      'spec.metrics[0].overrides[0].tagOverrides.a.value: must not be set where it is removed',
    ],
  ])('with %s in its metrics is refused', (_, override, error) => {
    expect(errorsOf(overriding(override))).toEqual([error]);
  });

  test.each([
    ['the label of sides', { tagOverrides: { reporter: { operation: 'REMOVE' } } }, 'tagOverrides.reporter'],
    ['an expression', { tagOverrides: { a: { value: 'request.host' } } }, 'tagOverrides.a.value'],
    ['a metric of gRPC', { match: { metric: 'GRPC_REQUEST_MESSAGES' }, disabled: true }, 'match.metric'],
    ['a metric of its own', { match: { customMetric: 'mine' }, disabled: true }, 'match.customMetric'],
  ])('with %s in its metrics is valid, and is refused because nothing is done about it yet', (_, override, at) => {
    expect(errorsOf(overriding(override))).toEqual([]);
    expect(unsupportedOf(overriding(override))).toEqual([
      expect.stringMatching(new RegExp(`^spec\\.metrics\\[0\\]\\.overrides\\[0\\]\\.${at}: .*is not supported yet`)),
    ]);
  });

  test('with labels of one metric in its metrics is taken', () => {
    const one = {
      match: { metric: 'REQUEST_COUNT' },
      tagOverrides: { a: { operation: 'REMOVE' }, b: { value: '"c"' } },
    };
    expect([errorsOf(overriding(one)), unsupportedOf(overriding(one))]).toEqual([[], []]);
  });

  test('with another provider of metrics, or an interval of its own, is refused too', () => {
    const spec = { metrics: [{ providers: [{ name: 'stackdriver' }], reportingInterval: '5s' }] };
    expect(unsupportedOf(telemetry(spec))).toEqual([
      'spec.metrics[0].reportingInterval: is not supported yet',
      'spec.metrics[0].providers[0].name: "stackdriver" is not supported yet, only "prometheus"',
    ]);
  });

  test.each([
    ['tracing', { tracing: [{ randomSamplingPercentage: 10 }] }],
    ['targetRefs', { targetRefs: [{ kind: 'Service', name: 'a' }] }],
    ['targetRef', { targetRef: { kind: 'Service', name: 'a' } }],
  ])('with %s is valid, and is refused because nothing is done about it yet', (field, spec) => {
    expect(errorsOf(telemetry(spec))).toEqual([]);
    expect(unsupportedOf(telemetry(spec))).toEqual([`spec.${field}: is not supported yet`]);
  });

  test('with an empty selector is warned about: it is for all workloads', () => {
    expect(warningsOf(telemetry({ selector: {} }))).toEqual([
      'spec.selector.matchLabels: has no labels: it selects every workload of the namespace',
    ]);
  });
});

describe('what a Telemetry refers to', () => {
  const named = (name: string, spec: TelemetrySpec): SomeResource => ({
    kind: 'Telemetry',
    metadata: { name, namespace: 'default' },
    spec,
  });
  const findingsOf = (checked: SomeResource, meshConfig?: AccessLogConfig, older: readonly SomeResource[] = []) =>
    checkReferences(checked, new MeshIndex({ resources: [...older, checked], serviceExists: () => true, meshConfig }));
  const uses = (name: string): SomeResource => named('logs', { accessLogging: [{ providers: [{ name }] }] });

  test('are the extension providers of the mesh, in any letter case, and the one that is there by itself', () => {
    const meshConfig = { extensionProviders: [{ name: 'File', envoyFileAccessLog: {} }] };
    for (const name of ['file', 'FILE', 'envoy', 'Envoy'])
      expect(findingsOf(uses(name), meshConfig).errors).toEqual([]);
    expect(findingsOf(uses('flie'), meshConfig).errors).toEqual([
      {
        path: 'spec.accessLogging[0].providers[0].name',
        message: 'no provider of access logs "flie" is in the mesh configuration, known are envoy, File',
      },
    ]);
  });

  test('is not judged where the mesh configuration is not known', () => {
    expect(findingsOf(uses('anything')).errors).toEqual([]);
  });

  test('is warned about where an older one has the namespace: only that one is in force', () => {
    const older = named('older', {});
    const warnings = findingsOf(named('younger', {}), {}, [older]).warnings;
    expect(warnings).toEqual([
      {
        path: 'spec.selector',
        message: 'Telemetry default/older is older and selects the whole namespace too: it wins, this one is ignored',
      },
    ]);
    expect(findingsOf(older, {}, [older]).warnings).toEqual([]);
    expect(findingsOf(named('some', { selector: { matchLabels: { app: 'a' } } }), {}, [older]).warnings).toEqual([]);
  });
});
