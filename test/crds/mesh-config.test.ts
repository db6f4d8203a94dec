import { describe, expect, test } from 'vitest';
import { formatManifestError } from '../../crds/manifest.ts';
import { readMeshConfig } from '../../crds/mesh-config.ts';

const faultsOf = (text: string): string[] => (readMeshConfig(text, 'mesh.yaml').errors ?? []).map(formatManifestError);

describe('a MeshConfig file', () => {
  test('sets the fields that it names', () => {
    const text =
      'defaultHttpRetryPolicy: { attempts: 0 }\nconnectTimeout: 3s\ndnsRefreshRate: 30s\noutboundTrafficPolicy: { mode: REGISTRY_ONLY }\n';
    expect(readMeshConfig(text, 'mesh.yaml')).toEqual({
      value: {
        defaultHttpRetryPolicy: { attempts: 0 },
        connectTimeout: '3s',
        dnsRefreshRate: '30s',
        outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
      },
    });
  });

  test.each(['', '# nothing yet\n', '{}'])('that is empty sets nothing: %j', (text) => {
    expect(readMeshConfig(text, 'mesh.yaml')).toEqual({ value: {} });
  });

  test('is refused with the line, the path and what was meant for every field that is not in force', () => {
    expect(faultsOf('conectTimeout: 3s\nenableEnvoyAccessLogService: true\n')).toEqual([
      'mesh.yaml:1: conectTimeout: unknown field (did you mean "connectTimeout"?)',
      'mesh.yaml:2: enableEnvoyAccessLogService: unknown field',
    ]);
  });

  test('is refused for values that a resource could not have either', () => {
    const text = 'connectTimeout: soon\ndefaultHttpRetryPolicy:\n  attempts: 1\n  retryOn: sometimes\n';
    const [timeout, retryOn] = faultsOf(text);
    expect(timeout).toMatch(/^mesh\.yaml:1: connectTimeout: .*soon/);
    expect(retryOn).toMatch(/^mesh\.yaml:4: defaultHttpRetryPolicy\.retryOn: .*sometimes/);
  });

  test('may say what places mean, within the limits of a DestinationRule', () => {
    const text = 'localityLbSetting: { distribute: [{ from: a, to: { a: 80, b: 20 } }] }';
    expect(readMeshConfig(text, 'mesh.yaml')).toEqual({
      value: { localityLbSetting: { distribute: [{ from: 'a', to: { a: 80, b: 20 } }] } },
    });
    expect(faultsOf(text.replace('80', '90'))).toEqual([
      expect.stringContaining('localityLbSetting.distribute[0].to: must sum to 100, got 110'),
    ]);
    expect(faultsOf('localityLbSetting: { failover: [{ from: a, to: a }] }')).toEqual([
      expect.stringContaining('localityLbSetting.failover[0]: must name two regions'),
    ]);
  });

  test.each([
    ['broken YAML', 'a: [', /^mesh\.yaml:1: /],
    ['a list', '- a', /must be an object/],
    ['a policy without a mode', 'outboundTrafficPolicy: {}', /^mesh\.yaml:1: outboundTrafficPolicy\.mode: /],
    ['a policy that Istio does not have', 'outboundTrafficPolicy: { mode: DENY }', /ALLOW_ANY/],
    ['a time that is none', 'dnsRefreshRate: often', /^mesh\.yaml:1: dnsRefreshRate: .*often/],
    ['two documents', '{}\n---\n{}\n', /^mesh\.yaml:3: must be the only document/],
  ])('is refused when it is %s', (_, text, fault) => {
    expect(faultsOf(text)).toEqual([expect.stringMatching(fault)]);
  });
});

describe('tracing in a MeshConfig', () => {
  const provider = (rest: string): string =>
    `extensionProviders:\n- name: otel\n  opentelemetry: { service: otel.tracing, port: 4318${rest} }\n`;
  const withHttp = provider(', http: { path: /v1/traces }');

  test('names a provider, which is declared', () => {
    expect(faultsOf(`${withHttp}defaultProviders: { tracing: [otel] }\nenableTracing: true\n`)).toEqual([]);
  });

  test.each([
    ['gRPC', provider(''), /opentelemetry.*http/],
    [
      'another kind of provider',
      'extensionProviders:\n- { name: z, zipkin: { service: z, port: 1 } }\n',
      /opentelemetry|zipkin/,
    ],
    ['an unknown name', `${withHttp}defaultProviders: { tracing: [other] }\n`, /tracing\[0\]: must be the name of/],
    ['two providers', `${withHttp}defaultProviders: { tracing: [otel, otel] }\n`, /must name one provider, got 2/],
    ['no provider', 'enableTracing: true\n', /enableTracing: needs defaultProviders\.tracing/],
    ['sampling for nobody', 'defaultConfig: { tracing: { sampling: 10 } }\n', /defaultConfig\.tracing: needs/],
    ['a bad path', provider(', http: { path: v1 }'), /http\.path: must begin with \//],
    ['a header of two lines', provider(', http: { path: /v1, headers: [{ name: a, value: "b\\nc" }] }'), /one line/],
  ])('is refused with %s', (_what, text, fault) => {
    expect(faultsOf(text)[0]).toMatch(fault);
  });
});
