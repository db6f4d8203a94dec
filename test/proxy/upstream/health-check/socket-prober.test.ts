import net from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decodeCluster } from '../../../../proxy/api/cluster-decoder.ts';
import { decodeClusterLoadAssignment } from '../../../../proxy/api/endpoint-decoder.ts';
import type { Endpoint } from '../../../../proxy/api/cluster.ts';
import type { HealthCheck } from '../../../../proxy/api/envoy.gen.ts';
import { requireValue } from '../../../../proxy/common/decoded.ts';
import type { CheckResult } from '../../../../proxy/upstream/health-check/prober.ts';
import { SocketProber } from '../../../../proxy/upstream/health-check/socket-prober.ts';
import { StatsStore } from '../../../../proxy/common/stats.ts';
import { CertificateStore } from '../../../../proxy/tls/certificate-store.ts';
import { UpstreamTlsContext } from '../../../../proxy/tls/upstream-tls.ts';
import { closeAfterTest } from '../../../support/closing.ts';
import { Authority } from '../../../support/pki.ts';
import { TlsBackend } from '../../../support/tls-backend.ts';
import { loadAssignment, staticCluster } from '../../../support/envoy-json.ts';
import { RawBackend, okResponse } from '../../../support/raw-backend.ts';
import { until } from '../../../support/turns.ts';

const needed = { timeout: '1s', interval: '5s', unhealthy_threshold: 2, healthy_threshold: 3 };
let backend: RawBackend;
let probers: SocketProber[];

beforeEach(async () => {
  probers = [];
  backend = new RawBackend();
  await backend.start();
});
afterEach(async () => {
  for (const prober of probers) prober.abort();
  await backend.close();
});

function endpointAt(port: number): Endpoint {
  const [endpoint] = requireValue(decodeClusterLoadAssignment(loadAssignment('c', [port])), 'eds').endpoints;
  if (endpoint === undefined) throw new Error('there is one endpoint');
  return endpoint;
}

function proberOf(check: HealthCheck): SocketProber {
  const json = staticCluster('reviews', [1], { health_checks: [{ ...needed, ...check }] });
  const { healthCheck } = requireValue(decodeCluster(json), 'cluster');
  if (healthCheck === undefined) throw new Error('the cluster has a check');
  const prober = new SocketProber(healthCheck, {
    tls: undefined,
    sourceAddresses: undefined,
    proxyProtocol: undefined,
  });
  probers.push(prober);
  return prober;
}

const check = (prober: SocketProber, port = backend.port): Promise<CheckResult> =>
  new Promise((resolve) => prober.check(endpointAt(port), resolve));

const http = { http_health_check: { path: '/healthz' } };

test('hosts with TLS are checked over TLS, and fail where they cannot be verified', async () => {
  const authority = closeAfterTest(new Authority());
  const server = closeAfterTest(await TlsBackend.start(authority.issue({ names: ['DNS:shop.example.com'] })));
  const resultFor = (name: string): Promise<CheckResult> => {
    const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
    const validation_context = {
      trusted_ca: { inline_string: authority.cert },
      match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: name } }],
    };
    const transport_socket = {
      name: 'envoy.transport_sockets.tls',
      typed_config: { '@type': type, common_tls_context: { validation_context } },
    };
    const json = staticCluster('shop', [1], { transport_socket, health_checks: [{ ...needed, ...http }] });
    const { healthCheck, tls } = requireValue(decodeCluster(json), 'cluster');
    if (healthCheck === undefined || tls === undefined) throw new Error('the cluster has both');
    const context = { store: new CertificateStore(), stats: new StatsStore(), clusterName: 'shop' };
    const prober = new SocketProber(healthCheck, {
      tls: new UpstreamTlsContext(tls, context),
      sourceAddresses: undefined,
      proxyProtocol: undefined,
    });
    probers.push(prober);
    return check(prober, server.port);
  };
  expect(await resultFor('shop.example.com')).toBe('success');
  expect(await resultFor('bank.example.com')).toBe('network');
});

describe('over HTTP', () => {
  test('the request says where it goes and who asks, and one connection carries all checks', async () => {
    const prober = proberOf(http);
    expect(await check(prober)).toBe('success');
    expect(await check(prober)).toBe('success');
    expect(backend.connections).toHaveLength(1);
    expect(backend.connections[0]?.received.slice(0, 100)).toMatch(
      /^GET \/healthz HTTP\/1\.1\r\nhost: reviews\r\nuser-agent: Heddle\/HC\r\n\r\n/,
    );
  });

  test('headers can be added, and a method with content says that there is none', async () => {
    const request_headers_to_add = [{ header: { key: 'X-Check', value: '1' } }];
    await check(proberOf({ http_health_check: { path: '/', host: 'a.b', method: 'POST', request_headers_to_add } }));
    expect(backend.connections[0]?.received).toBe(
      'POST / HTTP/1.1\r\nhost: a.b\r\nuser-agent: Heddle/HC\r\nx-check: 1\r\ncontent-length: 0\r\n\r\n',
    );
  });

  test('each check has a connection of its own where connections are not reused', async () => {
    const prober = proberOf({ ...http, reuse_connection: false });
    await check(prober);
    await check(prober);
    expect(backend.connections).toHaveLength(2);
    await until(() => backend.openConnections.length === 0);
  });

  test.each<[string, string, CheckResult]>([
    ['an expected status', 'HTTP/1.1 204 No Content\r\n\r\n', 'success'],
    ['another status', 'HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n', 'failure'],
    ['a status that may pass', 'HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n', 'retriable'],
    ['a chunked body', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', 'success'],
    ['an interim response first', `HTTP/1.1 103 Hints\r\n\r\n${okResponse}`, 'success'],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n', 'network'],
    ['a malformed body', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno\r\n', 'network'],
  ])('%s', async (_name, response, result) => {
    backend.onRequest = (connection) => connection.send(response);
    const statuses = { expected_statuses: [{ start: 200, end: 300 }], retriable_statuses: [{ start: 429, end: 430 }] };
    expect(await check(proberOf({ http_health_check: { path: '/', ...statuses } }))).toBe(result);
  });

  test('a body that ends with its connection, and one that ends too early', async () => {
    backend.onRequest = ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\n\r\nok');
    expect(await check(proberOf(http))).toBe('success');
    backend.onRequest = ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok');
    expect(await check(proberOf(http))).toBe('network');
  });

  test('a response cut at every byte is the same response', async () => {
    const prober = proberOf(http);
    for (let cut = 1; cut < okResponse.length; cut++) {
      backend.onRequest = (connection) => {
        connection.send(okResponse.slice(0, cut));
        setImmediate(() => connection.send(okResponse.slice(cut)));
      };
      expect(await check(prober), `at ${cut}`).toBe('success');
    }
    expect(backend.connections).toHaveLength(1);
  });

  test('a connection that the server closed in between is no failure: the check is made on a new one', async () => {
    const prober = proberOf(http);
    await check(prober);
    const [first] = backend.connections;
    backend.onRequest = (connection) => {
      if (connection === first) connection.socket.resetAndDestroy();
      else connection.send(okResponse);
    };
    expect(await check(prober)).toBe('success');
    expect(backend.connections).toHaveLength(2);
  });

  test('bytes behind a response are not read as the next one', async () => {
    const prober = proberOf(http);
    backend.onRequest = (connection) => connection.send(okResponse + okResponse);
    expect(await check(prober)).toBe('success');
    backend.onRequest = (connection) => connection.send('HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n');
    expect(await check(prober)).toBe('failure');
  });
});

describe('over TCP', () => {
  test('a connection that is accepted is enough', async () => {
    expect(await check(proberOf({ tcp_health_check: {} }))).toBe('success');
    await until(() => backend.openConnections.length === 0);
  });

  test('nobody who listens is a failure', async () => {
    const { port } = backend;
    await backend.close();
    expect(await check(proberOf({ tcp_health_check: {} }), port)).toBe('network');
    await backend.start();
  });

  test('the pieces of an answer must come in order, with anything in between', async () => {
    const hex = (text: string) => ({ text: Buffer.from(text).toString('hex') });
    const tcp_health_check = { send: hex('PING'), receive: [hex('PO'), hex('NG')] };
    const answers = new Map([
      ['right', ['P', 'O..', 'NG']],
      ['wrong', ['NG', 'PO']],
    ]);
    for (const [name, pieces] of answers) {
      const server = net.createServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', (bytes) => {
          expect(bytes.toString()).toBe('PING');
          for (const piece of pieces) socket.write(piece);
          if (name === 'wrong') socket.end();
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = server.address();
      const prober = proberOf({ tcp_health_check });
      const result = await check(prober, typeof address === 'object' ? address?.port : 0);
      expect(result, name).toBe(name === 'right' ? 'success' : 'network');
      prober.abort();
      server.close();
    }
  });
});

test('a check that is given up says nothing any more', async () => {
  const results: CheckResult[] = [];
  backend.onRequest = () => {};
  const prober = proberOf(http);
  prober.check(endpointAt(backend.port), (result) => results.push(result));
  await until(() => backend.requests.length === 1);
  prober.abort();
  await until(() => backend.openConnections.length === 0);
  expect(results).toEqual([]);
});
