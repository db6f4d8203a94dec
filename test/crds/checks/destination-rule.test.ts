import { describe, expect, it } from 'vitest';
import { destinationRule, errorsOf, warningsOf } from '../support.ts';

const policy = (trafficPolicy: object): object => destinationRule({ trafficPolicy });
const loadBalancer = (settings: object): object => policy({ loadBalancer: settings });

describe('a DestinationRule', () => {
  it.each([
    ['no host', { host: undefined }, 'spec.host: is required'],
    ['an empty host', { host: '' }, 'spec.host: must not be empty'],
    ['a subset without a name', { subsets: [{ name: '' }] }, 'spec.subsets[0].name: must not be empty'],
    [
      'a subset with a dot',
      { subsets: [{ name: 'v1.1' }] },
      'spec.subsets[0].name: must be a DNS label (letters, digits and hyphens, at most 63 characters), got "v1.1"',
    ],
    [
      'two subsets of one name',
      { subsets: [{ name: 'v1' }, { name: 'v2' }, { name: 'v1' }] },
      'spec.subsets[2].name: repeats "v1" of spec.subsets[0]',
    ],
    [
      'a bad label',
      { subsets: [{ name: 'v1', labels: { version: 'v 1' } }] },
      `spec.subsets[0].labels.version: must be a label value (letters, digits, '-', '_' and '.'), got "v 1"`,
    ],
    ['an empty policy', { trafficPolicy: {} }, 'spec.trafficPolicy: must have at least one field'],
    [
      'a wildcard in its selector',
      { workloadSelector: { matchLabels: { app: '*' } } },
      'spec.workloadSelector.matchLabels.app: must not contain a wildcard',
    ],
    [
      'a selector and other namespaces',
      { workloadSelector: { matchLabels: { app: 'a' } }, exportTo: ['*'] },
      'spec.exportTo[0]: must be "." in a rule with a workloadSelector, got "*"',
    ],
  ])('is refused with %s', (_name, spec, error) => {
    expect(errorsOf(JSON.parse(JSON.stringify(destinationRule(spec))))).toEqual([error]);
  });

  it('may select nothing in particular, which is worth a warning', () => {
    expect(warningsOf(destinationRule({ workloadSelector: {} }))).toEqual([
      'spec.workloadSelector.matchLabels: has no labels: it selects every workload of the namespace',
    ]);
  });
});

describe('a traffic policy', () => {
  it.each([
    ['an empty connection pool', { connectionPool: {} }, 'connectionPool: must have tcp, http or both'],
    [
      'a connect timeout of zero',
      { connectionPool: { tcp: { connectTimeout: '0s' } } },
      'connectionPool.tcp.connectTimeout: must be at least 1ms, got "0s"',
    ],
    [
      'two ways to choose HTTP/2',
      { connectionPool: { http: { h2UpgradePolicy: 'UPGRADE', useClientProtocol: true } } },
      'connectionPool.http.useClientProtocol: must not be true when h2UpgradePolicy is UPGRADE',
    ],
    [
      'a status that there is none of',
      { outlierDetection: { outlierDetectionHttpErrorCodes: [500, 600] } },
      'outlierDetection.outlierDetectionHttpErrorCodes[1]: must be from 100 to 599, got 600',
    ],
    [
      'local failures that are not told apart',
      { outlierDetection: { consecutiveLocalOriginFailures: 3 } },
      'outlierDetection.consecutiveLocalOriginFailures: needs splitExternalLocalOriginErrors: true',
    ],
    [
      'tunnel and proxy protocol',
      { tunnel: { targetHost: 'a.b', targetPort: 1 }, proxyProtocol: {} },
      'must have only one of tunnel and proxyProtocol',
    ],
    [
      'a tunnel by GET',
      { tunnel: { protocol: 'GET', targetHost: 'a.b', targetPort: 1 } },
      'tunnel.protocol: must be CONNECT or POST, got "GET"',
    ],
    [
      'a port without settings',
      { portLevelSettings: [{ port: { number: 80 } }] },
      'portLevelSettings[0]: must have at least one field beside port',
    ],
    [
      'a port without a number',
      { portLevelSettings: [{ port: {}, tls: {} }] },
      'portLevelSettings[0].port.number: is required',
    ],
    [
      'MUTUAL without a certificate',
      { tls: { mode: 'MUTUAL', privateKey: 'k' } },
      'tls.clientCertificate: is required when mode is MUTUAL',
    ],
    [
      'certificates in two places',
      { tls: { mode: 'SIMPLE', credentialName: 'c', caCertificates: 'd' } },
      'tls.caCertificates: must not stand beside credentialName',
    ],
    [
      'a bad retry budget',
      { retryBudget: { budgetInterval: '1' } },
      'retryBudget.budgetInterval: must be a duration such as 1h, 1m30s, 1.5s or 10ms, got "1"',
    ],
  ])('is refused with %s', (_name, trafficPolicy, error) => {
    const separator = /^(?:must)/.test(error) ? ': ' : '.';
    expect(errorsOf(policy(trafficPolicy))).toEqual([`spec.trafficPolicy${separator}${error}`]);
    const inSubset = destinationRule({ subsets: [{ name: 'v1', trafficPolicy }] });
    expect(errorsOf(inSubset)).toEqual([`spec.subsets[0].trafficPolicy${separator}${error}`]);
  });

  it('may switch the idle timeout of TCP off', () => {
    expect(errorsOf(policy({ connectionPool: { tcp: { idleTimeout: '0s' } } }))).toEqual([]);
    expect(errorsOf(policy({ connectionPool: { http: { idleTimeout: '0s' } } }))).toHaveLength(1);
  });

  it('warns of what is deprecated', () => {
    expect(warningsOf(policy({ outlierDetection: { consecutiveErrors: 5 } }))).toEqual([
      'spec.trafficPolicy.outlierDetection.consecutiveErrors: is deprecated: use consecutiveGatewayErrors or consecutive5xxErrors',
    ]);
  });
});

describe('a load balancer', () => {
  const at = 'spec.trafficPolicy.loadBalancer';

  it.each([
    [
      'simple and consistent hash',
      { simple: 'RANDOM', consistentHash: { useSourceIp: true } },
      ': must have only one of simple and consistentHash',
    ],
    [
      'two hash keys',
      { consistentHash: { useSourceIp: true, httpHeaderName: 'x' } },
      '.consistentHash: must have only one hash key, got httpHeaderName and useSourceIp',
    ],
    [
      'a nameless cookie',
      { consistentHash: { httpCookie: { name: '' } } },
      '.consistentHash.httpCookie.name: must not be empty',
    ],
    [
      'a cookie attribute twice',
      { consistentHash: { httpCookie: { name: 'c', attributes: [{ name: 'a' }, { name: 'a' }] } } },
      '.consistentHash.httpCookie.attributes[1].name: repeats "a"',
    ],
    [
      'two hash algorithms',
      { consistentHash: { ringHash: {}, maglev: { tableSize: 7 } } },
      '.consistentHash: must have only one of ringHash and maglev',
    ],
    [
      'a Maglev table of no size',
      { consistentHash: { maglev: {} } },
      '.consistentHash.maglev.tableSize: must be a prime below 5000011, got undefined',
    ],
    [
      'a Maglev table that is too large',
      { consistentHash: { maglev: { tableSize: 5_000_011 } } },
      '.consistentHash.maglev.tableSize: must be a prime below 5000011, got 5000011',
    ],
    ['a warm-up of no time', { warmup: { duration: '0s' } }, '.warmup.duration: must be at least 1ms, got "0s"'],
    [
      'failover to itself',
      { localityLbSetting: { failover: [{ from: 'a', to: 'a' }] } },
      '.localityLbSetting.failover[0]: must name two regions, got "a" twice',
    ],
    [
      'failover to a zone',
      { zoneAwareLbSetting: { failover: [{ from: 'a', to: 'b/c' }] } },
      '.zoneAwareLbSetting.failover[0].to: must be a region without zone or wildcard, got "b/c"',
    ],
    [
      'topology labels for zones',
      { zoneAwareLbSetting: { failoverPriority: ['topology.kubernetes.io/zone'] } },
      '.zoneAwareLbSetting.failoverPriority[0]: must not be topology.kubernetes.io/zone: zones are preferred anyway',
    ],
    [
      'topology labels beside failover',
      {
        localityLbSetting: { failover: [{ from: 'a', to: 'b' }], failoverPriority: ['topology.kubernetes.io/region'] },
      },
      '.localityLbSetting.failoverPriority[0]: must not be topology.kubernetes.io/region beside failover',
    ],
    [
      'shares that sum to 90',
      { localityLbSetting: { distribute: [{ from: 'a', to: { b: 90 } }] } },
      '.localityLbSetting.distribute[0].to: must sum to 100, got 90',
    ],
    [
      'a wildcard in the middle',
      { localityLbSetting: { distribute: [{ from: 'a/*/b', to: { b: 100 } }] } },
      '.localityLbSetting.distribute: must be region/zone/subzone with a wildcard only at the end, got "a/*/b"',
    ],
    [
      'localities that overlap',
      { localityLbSetting: { distribute: [{ from: 'a', to: { 'b/*': 50, 'b/c': 50 } }] } },
      '.localityLbSetting.distribute[0].to: must not overlap, got "b/*" and "b/c"',
    ],
  ])('is refused with %s', (_name, settings, error) => {
    expect(errorsOf(loadBalancer(settings))).toEqual([`${at}${error}`]);
  });

  it.each([
    ['a session cookie', { consistentHash: { httpCookie: { name: 'c', ttl: '0s' } } }],
    ["Envoy's Maglev table", { consistentHash: { httpHeaderName: 'x', maglev: { tableSize: 65_537 } } }],
    ['shares of zones', { localityLbSetting: { distribute: [{ from: 'a/b/*', to: { 'a/b/*': 80, 'a/c/*': 20 } }] } }],
  ])('may have %s', (_name, settings) => {
    expect(errorsOf(loadBalancer(settings))).toEqual([]);
  });

  it('warns that failover needs outlier detection', () => {
    const localityLbSetting = { failover: [{ from: 'a', to: 'b' }] };
    expect(warningsOf(loadBalancer({ localityLbSetting }))).toEqual([
      `${at}.localityLbSetting: fails over only with outlierDetection`,
    ]);
    expect(warningsOf(policy({ loadBalancer: { localityLbSetting }, outlierDetection: {} }))).toEqual([]);
  });
});
