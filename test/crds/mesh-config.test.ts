import { describe, expect, test } from 'vitest';
import { formatManifestError } from '../../crds/manifest.ts';
import { readMeshConfig } from '../../crds/mesh-config.ts';

const faultsOf = (text: string): string[] => (readMeshConfig(text, 'mesh.yaml').errors ?? []).map(formatManifestError);

describe('a MeshConfig file', () => {
  test('sets the fields that it names', () => {
    const text =
      'defaultHttpRetryPolicy: { attempts: 0 }\nconnectTimeout: 3s\nh2UpgradePolicy: UPGRADE\ndnsRefreshRate: 30s\noutboundTrafficPolicy: { mode: REGISTRY_ONLY }\n';
    expect(readMeshConfig(text, 'mesh.yaml')).toEqual({
      value: {
        defaultHttpRetryPolicy: { attempts: 0 },
        connectTimeout: '3s',
        h2UpgradePolicy: 'UPGRADE',
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
    ['an upgrade that Istio does not have', 'h2UpgradePolicy: DEFAULT', /^mesh\.yaml:1: h2UpgradePolicy: .*UPGRADE/],
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

describe('access logs in a MeshConfig file', () => {
  test('are a file with a format, providers and those that are the default', () => {
    const text = `
accessLogFile: /dev/stdout
accessLogEncoding: JSON
accessLogFormat: '{"a": "%PROTOCOL%", "b": {"c": "%REQ(X)% %%"}}'
extensionProviders:
- { name: plain, envoyFileAccessLog: {} }
- { name: text, envoyFileAccessLog: { path: /a, logFormat: { text: '%DURATION%' }, omitEmptyValues: true } }
- { name: labels, envoyFileAccessLog: { logFormat: { labels: { a: '%DURATION%', b: { c: [x, 1, true, null] } } } } }
- { name: empty, envoyFileAccessLog: { logFormat: { labels: {} } } }
defaultProviders: { accessLogging: [envoy, TEXT] }
`;
    expect(faultsOf(text)).toEqual([]);
  });

  test.each([
    [
      'an unknown variable',
      'accessLogFormat: "a %NOBODY%"',
      'accessLogFormat: has the variable %NOBODY%, which is not supported',
    ],
    ['an unknown encoding', 'accessLogEncoding: XML', 'accessLogEncoding: must be one of TEXT, JSON, got "XML"'],
    [
      'no JSON where it is said',
      'accessLogEncoding: JSON\naccessLogFormat: "a b"',
      /^mesh\.yaml:2: accessLogFormat: must be a JSON object where accessLogEncoding is JSON: /,
    ],
    [
      'a list of JSON',
      'accessLogEncoding: JSON\naccessLogFormat: "[]"',
      'accessLogFormat: must be a JSON object where accessLogEncoding is JSON, got []',
    ],
    [
      'an unknown variable in JSON',
      `accessLogEncoding: JSON\naccessLogFormat: '{"a": {"b": "%NOBODY%"}}'`,
      'accessLogFormat: a.b: has the variable %NOBODY%, which is not supported',
    ],
    [
      'an unknown variable in a list of JSON',
      `accessLogEncoding: JSON
accessLogFormat: '{"a": [1, "%NOBODY%"]}'`,
      'accessLogFormat: a[1]: has the variable %NOBODY%, which is not supported',
    ],
    [
      'a provider without a log',
      'extensionProviders: [{ name: a }]',
      'extensionProviders[0]: must have one of opentelemetry, envoyFileAccessLog, envoyHttpAls, envoyTcpAls and envoyExtAuthzGrpc',
    ],
    [
      'a provider of two kinds',
      'extensionProviders: [{ name: a, envoyHttpAls: { service: a.b, port: 1 }, envoyFileAccessLog: {} }]',
      'extensionProviders[0]: must have one of opentelemetry, envoyFileAccessLog, envoyHttpAls, envoyTcpAls and envoyExtAuthzGrpc',
    ],
    [
      'an authorization service that is told nothing of bodies',
      'extensionProviders: [{ name: a, envoyExtAuthzGrpc: { service: a.b, port: 1, includeRequestBodyInCheck: { maxRequestBytes: 0 } } }]',
      'extensionProviders[0].envoyExtAuthzGrpc.includeRequestBodyInCheck.maxRequestBytes: must be >= 1, got 0',
    ],
    [
      'an access-log service without a host',
      'extensionProviders: [{ name: a, envoyTcpAls: { service: shop/, port: 1 } }]',
      'extensionProviders[0].envoyTcpAls.service: must be set',
    ],
    [
      'an access-log service without a port',
      'extensionProviders: [{ name: a, envoyHttpAls: { service: a.b } }]',
      'extensionProviders[0].envoyHttpAls.port: is required',
    ],
    [
      'a header that is none in an access log',
      'extensionProviders: [{ name: a, envoyHttpAls: { service: a.b, port: 1, additionalRequestHeadersToLog: ["a b"] } }]',
      /extensionProviders\[0\]\.envoyHttpAls\.additionalRequestHeadersToLog\[0\]: /,
    ],
    [
      'filter state in an access log',
      'extensionProviders: [{ name: a, envoyTcpAls: { service: a.b, port: 1, filterStateObjectsToLog: [a] } }]',
      'extensionProviders[0].envoyTcpAls.filterStateObjectsToLog: unknown field',
    ],
    [
      'a provider of another kind',
      'extensionProviders: [{ name: a, zipkin: {}, envoyFileAccessLog: {} }]',
      'extensionProviders[0].zipkin: unknown field',
    ],
    [
      'a provider without a name',
      'extensionProviders: [{ name: "", envoyFileAccessLog: {} }]',
      'extensionProviders[0].name: must not be empty',
    ],
    [
      'two providers of one name',
      'extensionProviders: [{ name: a, envoyFileAccessLog: {} }, { name: A, envoyFileAccessLog: {} }]',
      'extensionProviders[1].name: must be unique, got "A" again',
    ],
    [
      'a provider with two formats',
      'extensionProviders: [{ name: a, envoyFileAccessLog: { logFormat: { text: a, labels: { b: c } } } }]',
      'extensionProviders[0].envoyFileAccessLog.logFormat: must have only one of text and labels',
    ],
    [
      "a provider's unknown variable",
      'extensionProviders: [{ name: a, envoyFileAccessLog: { logFormat: { labels: { b: "%NOBODY%" } } } }]',
      'extensionProviders[0].envoyFileAccessLog.logFormat.labels.b: has the variable %NOBODY%, which is not supported',
    ],
    [
      'a default provider that there is not',
      'defaultProviders: { accessLogging: [envoi] }',
      'defaultProviders.accessLogging[0]: no provider of access logs "envoi" is in the mesh configuration (did you mean "envoy"?)',
    ],
    ['default providers of metrics', 'defaultProviders: { metrics: [a] }', 'defaultProviders.metrics: unknown field'],
  ])('are refused with %s', (_, text, fault) => {
    const expected = typeof fault === 'string' ? expect.stringContaining(fault) : expect.stringMatching(fault);
    expect(faultsOf(text)).toEqual([expected]);
  });
});
