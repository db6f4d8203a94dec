import { describe, expect, test } from 'vitest';
import type { HttpConnectionManager } from '../../../proxy/api/envoy.gen.ts';
import { publicAddress } from '../../../proxy/common/local-address.ts';
import { MeshError } from '../../../proxy/common/errors.ts';
import { EdgeProxy } from './edge-request.ts';

/** RFC 1918, which the examples of Envoy's documentation take for granted. */
const internal_address_config = {
  cidr_ranges: [
    { address_prefix: '10.0.0.0', prefix_len: 8 },
    { address_prefix: '172.16.0.0', prefix_len: 12 },
    { address_prefix: '192.168.0.0', prefix_len: 16 },
    { address_prefix: 'fc00::', prefix_len: 7 },
  ],
};
const threeHops = '203.0.113.128, 203.0.113.10, 203.0.113.1';

interface Example {
  readonly manager: HttpConnectionManager;
  readonly peer: string;
  readonly forwardedFor: string | undefined;
  readonly client: string;
  readonly external: string | undefined;
  readonly forwardedOn: string | undefined;
  readonly internal: string | undefined;
}

/** Envoy docs `http_conn_man/headers`, `x-forwarded-for`, in the order of the page. */
const examples: readonly [string, Example][] = [
  [
    '1: at the edge, with nobody in front',
    {
      manager: { use_remote_address: true },
      peer: '192.0.2.5',
      forwardedFor: threeHops,
      client: '192.0.2.5',
      external: '192.0.2.5',
      forwardedOn: `${threeHops},192.0.2.5`,
      internal: undefined,
    },
  ],
  [
    '2: inside, behind the edge of example 1',
    {
      manager: {},
      peer: '10.11.12.13',
      forwardedFor: `${threeHops}, 192.0.2.5`,
      client: '192.0.2.5',
      external: undefined,
      forwardedOn: `${threeHops}, 192.0.2.5`,
      internal: undefined,
    },
  ],
  [
    '3: at the edge, with two trusted proxies in front',
    {
      manager: { use_remote_address: true, xff_num_trusted_hops: 2 },
      peer: '192.0.2.5',
      forwardedFor: threeHops,
      client: '203.0.113.10',
      external: '203.0.113.10',
      forwardedOn: `${threeHops},192.0.2.5`,
      internal: undefined,
    },
  ],
  [
    '4: inside, behind the edge of example 3',
    {
      manager: { xff_num_trusted_hops: 2 },
      peer: '10.11.12.13',
      forwardedFor: `${threeHops}, 192.0.2.5`,
      client: '203.0.113.10',
      external: undefined,
      forwardedOn: `${threeHops}, 192.0.2.5`,
      internal: undefined,
    },
  ],
  [
    '5: inside, called by a client inside',
    {
      manager: {},
      peer: '10.20.30.40',
      forwardedFor: undefined,
      client: '10.20.30.40',
      external: undefined,
      forwardedOn: undefined,
      internal: undefined,
    },
  ],
  [
    '6: inside, behind the proxy of example 5',
    {
      manager: {},
      peer: '10.20.30.50',
      forwardedFor: '10.20.30.40',
      client: '10.20.30.40',
      external: undefined,
      forwardedOn: '10.20.30.40',
      internal: 'true',
    },
  ],
];

describe('R10: the client of a request is found by trusted hops, as in example', () => {
  test.each(examples)('%s', (_, { manager, peer, forwardedFor, client, external, forwardedOn, internal }) => {
    const proxy = new EdgeProxy({ ...manager, internal_address_config });
    const forwarded = forwardedFor === undefined ? [] : [`x-forwarded-for: ${forwardedFor}`];
    const seen = proxy.send({ peer: `${peer}:40000`, headers: [...forwarded, 'x-envoy-internal: true'] });
    expect(seen.client?.replace(/:\d+$/, '')).toBe(client);
    expect(seen.headers?.['x-forwarded-for']).toBe(forwardedOn);
    expect(seen.headers?.['x-envoy-external-address']).toBe(external);
    expect(seen.headers?.['x-envoy-internal']).toBe(internal);
  });
});

describe('R10: at the edge', () => {
  const edge = (manager: HttpConnectionManager = {}): EdgeProxy =>
    new EdgeProxy({ use_remote_address: true, ...manager });

  test('nothing is left of what only the mesh may say, in whatever case it comes', () => {
    const internal = [
      'x-envoy-retry-on: 5xx',
      'X-Envoy-Max-Retries: 99',
      'X-ENVOY-UPSTREAM-RQ-TIMEOUT-MS: 1',
      'x-envoy-original-path: /admin',
      'x-envoy-decorator-operation: mine',
      'x-envoy-force-trace: true',
      'x-envoy-peer-metadata: AAAA',
      'x-envoy-external-address: 10.0.0.1',
      'x-heddle-reason: - fine',
      'x-forwarded-client-cert: By=spiffe://a;URI=spiffe://b',
    ];
    const { headers } = edge().send({ headers: [...internal, 'x-user: a', 'x-env: b', 'x-envoyish: c'] });
    const { host, 'x-request-id': id, ...rest } = headers ?? {};
    expect(host).toBe('a.com');
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(rest).toEqual({
      'x-user': 'a',
      'x-env': 'b',
      'x-envoyish': 'c',
      'x-forwarded-for': '192.0.2.5',
      'x-envoy-external-address': '192.0.2.5',
      'x-forwarded-proto': 'http',
    });
  });

  test('who belongs to the mesh by its address may say all that, once it is the only hop', () => {
    const proxy = edge({ internal_address_config });
    const headers = ['x-envoy-retry-on: 5xx', 'x-request-id: mine', 'x-forwarded-client-cert: By=a'];
    const inside = proxy.send({ peer: '10.1.2.3:1', headers });
    expect(inside.headers).toMatchObject({
      'x-envoy-retry-on': '5xx',
      'x-request-id': 'mine',
      'x-envoy-internal': 'true',
    });
    expect(inside.headers).not.toHaveProperty('x-envoy-external-address');
    expect(inside.headers).not.toHaveProperty('x-forwarded-client-cert');
    const through = proxy.send({ peer: '10.1.2.3:1', headers: [...headers, 'x-forwarded-for: 10.9.9.9'] });
    expect(through.headers).not.toHaveProperty('x-envoy-retry-on');
    expect(through.headers).not.toHaveProperty('x-envoy-internal');
    const sixth = proxy.send({ peer: 'fd00::1:1', headers });
    expect(sixth.headers?.['x-envoy-internal']).toBe('true');
  });

  test('x-forwarded-proto says how the client came, whatever it says itself', () => {
    const claims = { headers: ['x-forwarded-proto: https'] };
    expect(edge().send(claims).headers?.['x-forwarded-proto']).toBe('http');
    expect(edge().send({ isSecure: true }).headers?.['x-forwarded-proto']).toBe('https');
    const behind = edge({ xff_num_trusted_hops: 1 });
    expect(behind.send(claims).headers?.['x-forwarded-proto']).toBe('https');
    expect(behind.send({}).headers?.['x-forwarded-proto']).toBe('http');
  });

  test('x-request-id is a new one, unless that of the client is to stay', () => {
    const headers = ['x-request-id: mine'];
    expect(edge().send({ headers }).headers?.['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    const kept = edge({ preserve_external_request_id: true });
    expect(kept.send({ headers }).headers?.['x-request-id']).toBe('mine');
    expect(edge({ generate_request_id: false }).send({ headers }).headers).not.toHaveProperty('x-request-id');
  });

  test.each([
    ['is too short for the trusted hops', '203.0.113.1'],
    ['has no address where one should be', '203.0.113.1, unknown, 203.0.113.2'],
    ['has an address with a port there', '203.0.113.1, 203.0.113.9:80, 203.0.113.2'],
    ['is only commas', ',,,'],
  ])('a client is who connected where x-forwarded-for %s', (_, forwardedFor) => {
    const seen = edge({ xff_num_trusted_hops: 2 }).send({ headers: [`x-forwarded-for: ${forwardedFor}`] });
    expect(seen.client).toBe('192.0.2.5:40000');
    expect(seen.headers?.['x-envoy-external-address']).toBe('192.0.2.5');
    expect(seen.headers?.['x-forwarded-for']).toBe(`${forwardedFor},192.0.2.5`);
  });

  test('several x-forwarded-for are one list', () => {
    const headers = ['x-forwarded-for: 203.0.113.1', 'X-Forwarded-For: 203.0.113.2'];
    const seen = edge({ xff_num_trusted_hops: 1 }).send({ headers });
    expect(seen.client).toBe('203.0.113.2:0');
    expect(seen.headers?.['x-forwarded-for']).toBe('203.0.113.1,203.0.113.2,192.0.2.5');
  });

  test('a client on this machine is told to others by an address that they can tell apart', () => {
    const seen = edge().send({ peer: '::ffff:127.0.0.1:40000' });
    expect(seen.headers?.['x-envoy-external-address']).toBe('127.0.0.1');
    expect(seen.headers?.['x-forwarded-for']).toBe(publicAddress() ?? '127.0.0.1');
  });

  test('a stream that is used again knows nothing of the client before', () => {
    const proxy = edge({ xff_num_trusted_hops: 1 });
    expect(proxy.send({ headers: ['x-forwarded-for: 203.0.113.2'] }).client).toBe('203.0.113.2:0');
    expect(proxy.send({}).client).toBe('192.0.2.5:40000');
  });

  test('answers of the proxy itself tell strangers nothing about the mesh', () => {
    const error = new MeshError('no_cluster', 'the cluster outbound|80||secret of the route is not known');
    const outside = new EdgeProxy({ use_remote_address: true }, error).send({});
    expect(outside).toMatchObject({ status: 503, body: 'Service Unavailable', details: 'cluster_not_found' });
    expect(outside.answer).not.toHaveProperty('x-heddle-reason');
    const inside = new EdgeProxy({}, error).send({});
    expect(inside.answer['x-heddle-reason']).toBe(`NC ${error.reason}`);
    expect(inside.body).toBe(error.reason);
  });
});

test('without trusted hops and without an edge requests are taken at their word', () => {
  const headers = ['x-forwarded-for: 203.0.113.2', 'x-envoy-retry-on: 5xx', 'x-forwarded-client-cert: By=a'];
  const seen = new EdgeProxy({ forward_client_cert_details: 'ALWAYS_FORWARD_ONLY' }).send({ headers });
  expect(seen.client).toBe('203.0.113.2:0');
  expect(seen.headers).toMatchObject({
    'x-forwarded-for': '203.0.113.2',
    'x-envoy-retry-on': '5xx',
    'x-forwarded-client-cert': 'By=a',
  });
});
