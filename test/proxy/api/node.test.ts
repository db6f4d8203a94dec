import { describe, expect, test } from 'vitest';
import { decodeNode, encodeNode, type Node, nodeIdOf } from '../../../proxy/api/node.ts';
import { decodePeerMetadata, encodePeerMetadata, workloadIdentity } from '../../../proxy/api/peer-metadata.ts';
import { decode, encode } from '../../../proxy/api/protojson.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const metadata = {
  name: 'reviews-v2-1',
  namespace: 'shop',
  service: 'reviews',
  workloadName: 'reviews-v2',
  labels: { app: 'reviews', version: 'v2' },
  clusterId: 'Kubernetes',
  address: '10.0.0.7',
  appPort: 8080,
  inboundPort: 15_006,
  outboundPort: 15_001,
};
const node: Node = { id: nodeIdOf(metadata), cluster: 'reviews.shop', metadata };

describe('a node', () => {
  test('survives the wire', () => {
    const json = decode('envoy.config.core.v3.Node', encode('envoy.config.core.v3.Node', encodeNode(node)));
    expect(json.value?.id).toBe('sidecar~10.0.0.7~reviews-v2-1.shop~shop.svc.cluster.local');
    expect(json.value?.user_agent_name).toBe('heddle');
    expect(decodeNode(json.value ?? {})).toEqual({ value: node });
  });

  test.each(['REDIRECT', 'TPROXY'] as const)('may say that connections are intercepted: %s', (interceptionMode) => {
    for (const appPorts of [undefined, [8080, 9090]]) {
      const intercepted: Node = { ...node, metadata: { ...metadata, interceptionMode, ...(appPorts && { appPorts }) } };
      const json = decode('envoy.config.core.v3.Node', encode('envoy.config.core.v3.Node', encodeNode(intercepted)));
      expect(json.value?.metadata).toMatchObject({ INTERCEPTION_MODE: interceptionMode });
      expect(decodeNode(json.value ?? {})).toEqual({ value: intercepted });
    }
  });

  test('may say what its application speaks', () => {
    const speaking: Node = { ...node, metadata: { ...metadata, appProtocol: 'grpc' } };
    const json = decode('envoy.config.core.v3.Node', encode('envoy.config.core.v3.Node', encodeNode(speaking)));
    expect(decodeNode(json.value ?? {})).toEqual({ value: speaking });
    expect(encodeNode(node).metadata).not.toHaveProperty('APP_PROTOCOL');
    expect(decodeNode({ metadata: { APP_PROTOCOL: '' } }).value?.metadata).not.toHaveProperty('appProtocol');
  });

  test('says nothing about interception without one', () => {
    const open: Node = { ...node, metadata: { ...metadata, interceptionMode: 'NONE', appPorts: [8080] } };
    expect(encodeNode(open)).toEqual(encodeNode(node));
    expect(decodeNode({ metadata: { INTERCEPTION_MODE: 'NONE', APP_PORTS: [1] } }).value?.metadata).not.toHaveProperty(
      'appPorts',
    );
  });

  test.each([
    [{ APP_PROTOCOL: 'tcp' }, 'APP_PROTOCOL', 'must be one of http, http2, grpc, got "tcp"'],
    [{ INTERCEPTION_MODE: 'redirect' }, 'INTERCEPTION_MODE', 'must be one of NONE, REDIRECT, TPROXY, got "redirect"'],
    [{ INTERCEPTION_MODE: 'REDIRECT', APP_PORTS: [80, 0] }, 'APP_PORTS', /^must be a list of ports from 1 to 65535/],
    [{ INTERCEPTION_MODE: 'REDIRECT', APP_PORTS: [] }, 'APP_PORTS', /^must be a list of ports/],
    [{ INTERCEPTION_MODE: 'REDIRECT', APP_PORTS: '80' }, 'APP_PORTS', /^must be a list of ports/],
  ])('is refused with %j', (given, key, message) => {
    expect(decodeNode({ metadata: given }).errors).toEqual([
      { path: `node.metadata.${key}`, message: typeof message === 'string' ? message : expect.stringMatching(message) },
    ]);
  });

  test('may say that DNS is captured, and where', () => {
    const capturing: Node = { ...node, metadata: { ...metadata, dnsPort: 5353 } };
    const json = decode('envoy.config.core.v3.Node', encode('envoy.config.core.v3.Node', encodeNode(capturing)));
    expect(decodeNode(json.value ?? {})).toEqual({ value: capturing });
    expect(encodeNode(node).metadata).not.toHaveProperty('DNS_CAPTURE');
  });

  test.each([
    [{ DNS_CAPTURE: 'true' }, 15_053],
    [{ DNS_CAPTURE: true, DNS_PORT: '5353' }, 5353],
    [{ DNS_CAPTURE: 'false', DNS_PORT: 5353 }, undefined],
    [{ DNS_PORT: 5353 }, undefined],
  ])('captures DNS with %j at %s', (given, dnsPort) => {
    expect(decodeNode({ metadata: given }).value?.metadata.dnsPort).toBe(dnsPort);
  });

  test.each([
    [{ DNS_CAPTURE: 'yes' }, 'DNS_CAPTURE', 'must be true or false, got "yes"'],
    [{ DNS_CAPTURE: true, DNS_PORT: 70_000 }, 'DNS_PORT', 'must be a port from 0 to 65535, got 70000'],
  ])('cannot capture DNS with %j', (given, key, message) => {
    expect(decodeNode({ metadata: given }).errors).toEqual([{ path: `node.metadata.${key}`, message }]);
  });

  test('may say where it runs, beside its metadata; an empty place is none', () => {
    const placed: Node = { ...node, metadata: { ...metadata, locality: { region: 'r', zone: 'z', subZone: 's' } } };
    expect(encodeNode(placed).locality).toEqual({ region: 'r', zone: 'z', sub_zone: 's' });
    const json = decode('envoy.config.core.v3.Node', encode('envoy.config.core.v3.Node', encodeNode(placed)));
    expect(decodeNode(json.value ?? {})).toEqual({ value: placed });
    expect(encodeNode(node)).not.toHaveProperty('locality');
    expect(decodeNode({ locality: {} }).value?.metadata.locality).toBeUndefined();
    expect(decodeNode({ locality: { zone: 'z' } }).value?.metadata.locality).toEqual({
      region: '',
      zone: 'z',
      subZone: '',
    });
  });

  test('that says nothing is unknown', () => {
    expect(decodeNode({}).value).toEqual({
      id: 'unknown',
      cluster: 'unknown',
      metadata: {
        name: 'unknown',
        namespace: 'default',
        service: '',
        workloadName: 'unknown',
        labels: {},
        clusterId: 'Kubernetes',
        address: '',
        appPort: 0,
        inboundPort: 0,
        outboundPort: 0,
      },
    });
    expect(decodeNode({ id: 'grpc-client' }).value?.metadata.name).toBe('grpc-client');
  });

  test('may have metadata of others, and ports as strings', () => {
    expect(decodeNode({ metadata: { ISTIO_VERSION: '1.22', APP_PORT: '8080' } }).value?.metadata.appPort).toBe(8080);
  });

  test('may announce a readiness probe, as Istio does; the wire keeps it', () => {
    const probed: Node = { ...node, metadata: { ...metadata, readinessProbe: { tcpPort: 8080 } } };
    expect(encodeNode(probed).metadata?.['PROXY_CONFIG']).toEqual({ readinessProbe: { tcpSocket: { port: 8080 } } });
    const json = decode('envoy.config.core.v3.Node', encode('envoy.config.core.v3.Node', encodeNode(probed)));
    expect(decodeNode(json.value ?? {})).toEqual({ value: probed });
    expect(encodeNode(node).metadata).not.toHaveProperty('PROXY_CONFIG');
  });

  test.each([
    [{ httpGet: { port: 8080 } }],
    [{ tcpSocket: { port: 8080 }, periodSeconds: 5 }],
    [{ tcpSocket: { port: 8080, host: '10.0.0.1' } }],
    [{ tcpSocket: { port: 0 } }],
    [{ tcpSocket: null }],
    [{}],
  ])('announces a probe of another form with %j', (readinessProbe) => {
    const { value } = decodeNode({ metadata: { PROXY_CONFIG: { readinessProbe } } });
    expect(value?.metadata.readinessProbe).toEqual({ tcpPort: undefined });
  });

  test.each([[undefined], ['text'], [{}], [{ readinessProbe: null }], [{ concurrency: 2 }]])(
    'announces no probe with %j',
    (config) => {
      expect(decodeNode({ metadata: { PROXY_CONFIG: config } }).value?.metadata.readinessProbe).toBeUndefined();
    },
  );

  test('is refused with every fault', () => {
    const { errors } = decodeNode({ metadata: { NAME: 7, APP_PORT: 70_000, INBOUND_PORT: 'x', LABELS: { a: 1 } } });
    expect(errors).toEqual([
      { path: 'node.metadata.NAME', message: 'must be a string, got 7' },
      { path: 'node.metadata.LABELS.a', message: 'must be a string, got 1' },
      { path: 'node.metadata.APP_PORT', message: 'must be a port from 0 to 65535, got 70000' },
      { path: 'node.metadata.INBOUND_PORT', message: 'must be a port from 0 to 65535, got "x"' },
    ]);
    expect(decodeNode({ metadata: { LABELS: [] } }).errors).toHaveLength(1);
  });
});

describe('peer metadata', () => {
  test('tells the other side who sends', () => {
    expect(decodePeerMetadata(encodePeerMetadata(metadata))).toEqual({
      value: {
        name: 'reviews-v2',
        namespace: 'shop',
        canonicalService: 'reviews',
        canonicalRevision: 'v2',
        clusterId: 'Kubernetes',
        app: 'reviews',
        version: 'v2',
      },
    });
  });

  test('derives canonical service and revision from labels as Istio does', () => {
    const labels = { 'service.istio.io/canonical-name': 'a', 'app.kubernetes.io/name': 'b', app: 'c' };
    expect(workloadIdentity({ ...metadata, labels }).canonicalService).toBe('a');
    expect(
      workloadIdentity({ ...metadata, labels: { 'app.kubernetes.io/name': 'b', app: 'c' } }).canonicalService,
    ).toBe('b');
    expect(workloadIdentity({ ...metadata, labels: {} })).toMatchObject({
      canonicalService: 'reviews-v2',
      canonicalRevision: 'latest',
    });
  });

  test('without labels is unknown where only they would tell', () => {
    const struct = encode('google.protobuf.Struct', { WORKLOAD_NAME: 'x', LABELS: 'no object', NAMESPACE: 7 });
    expect(decodePeerMetadata(Buffer.from(struct).toString('base64')).value).toEqual({
      name: 'x',
      namespace: 'unknown',
      canonicalService: 'unknown',
      canonicalRevision: 'unknown',
      clusterId: 'unknown',
      app: 'unknown',
      version: 'unknown',
    });
  });

  test.each([
    ['', 'must be base64'],
    ['not base64!', 'must be base64'],
    ['/////w==', 'must be an encoded google.protobuf.Struct'],
    ['A'.repeat(20_000), 'must have at most 16384 characters, got 20000'],
  ])('%.20j is refused', (text, fault) => {
    expect(decodePeerMetadata(text).errors?.[0]?.message).toContain(fault);
  });

  test('never throws, whatever a stranger sends', () => {
    const random = seededRandom(1);
    const valid = Buffer.from(encodePeerMetadata(metadata), 'base64');
    let accepted = 0;
    for (let i = 0; i < 2_000; i += 1) {
      const bytes = Buffer.from(valid);
      for (let flips = 1 + Math.floor(random() * 4); flips > 0; flips -= 1) {
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      }
      const { value, errors } = decodePeerMetadata(bytes.toString('base64'));
      if (value === undefined) expect(errors.length).toBeGreaterThan(0);
      else accepted += 1;
    }
    expect(accepted).toBeGreaterThan(100);
  });
});
