import net, { type AddressInfo } from 'node:net';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Secret, UpstreamTlsContext } from '../../../proxy/api/envoy.gen.ts';
import { createLogger } from '../../../proxy/common/log.ts';
import { adsBootstrapText } from '../../support/ads-bootstrap.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { type Answer, call as callProxy } from '../../support/http-call.ts';
import { Authority, type Certificate, temporaryFolder } from '../../support/pki.ts';
import { TlsBackend, type TlsEcho } from '../../support/tls-backend.ts';
import { until } from '../../support/turns.ts';
import { httpListener, routeConfiguration } from '../../support/envoy-json.ts';
import { createProxy } from '../../support/in-process-proxy.ts';
import { assignmentJson, tlsClusterJson } from '../api/samples.ts';
import { FakeAdsServer, type NamedRequest } from '../xds/fake-ads-server.ts';

let authority: Authority;
let other: Authority;
let server: Certificate;
beforeAll(() => {
  authority = new Authority();
  other = new Authority('another authority');
  server = authority.issue({ names: ['DNS:shop.example.com', 'DNS:*.svc.example.com', 'IP:127.0.0.1'] });
});
afterAll(() => {
  authority.close();
  other.close();
});

const inline = (pem: string) => ({ inline_string: pem });
const dns = (name: string) => ({ san_type: 'DNS' as const, matcher: { exact: name } });
const trusting = (ca: string, ...names: readonly string[]): UpstreamTlsContext => ({
  common_tls_context: {
    tls_params: { tls_maximum_protocol_version: 'TLSv1_3' },
    validation_context: { trusted_ca: inline(ca), match_typed_subject_alt_names: names.map(dns) },
  },
});

interface Rig {
  readonly proxy: CodecProxy;
  readonly log: string[];
  call(): Promise<Answer>;
  /** Flag and transport failure reason of the only call so far, as the access log has them. */
  logged(): Promise<string>;
  /** The answer to a call that reached the server. */
  echo(): Promise<TlsEcho>;
  ssl(name: string): number;
}

async function startProxy(port: number, tls: UpstreamTlsContext): Promise<Rig> {
  const log: string[] = [];
  const accessLog = join(temporaryFolder(), 'access.log');
  const transport_socket = {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      ...tls,
    },
  };
  const proxy = closeAfterTest(
    await CodecProxy.start({
      upstreamPorts: [port],
      cluster: { transport_socket },
      manager: {
        access_log: [
          {
            name: 'envoy.access_loggers.file',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
              path: accessLog,
              log_format: {
                text_format_source: { inline_string: '%RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON%\n' },
              },
            },
          },
        ],
      },
      logger: createLogger('proxy', 'info', (line) => log.push(line)),
    }),
  );
  const call = (): Promise<Answer> => callProxy(proxy.port);
  return {
    proxy,
    log,
    call,
    echo: async () => {
      const answer = await call();
      expect(answer.status, answer.body).toBe(200);
      return JSON.parse(answer.body) as TlsEcho;
    },
    logged: async () => {
      const text = (): string => (existsSync(accessLog) ? readFileSync(accessLog, 'utf8') : '');
      proxy.clock.advance(1_000);
      await until(() => text().includes('\n'));
      return text().trimEnd();
    },
    ssl: (name) => proxy.stat(`cluster.backend.ssl.${name}`),
  };
}

async function startBackend(options: Parameters<typeof TlsBackend.start>[0]): Promise<TlsBackend> {
  return closeAfterTest(await TlsBackend.start(options));
}

/** The next call opens a new connection. */
function forgetConnections({ proxy }: Rig): void {
  for (const cluster of proxy.server.clusters.list()) for (const host of cluster.hosts) host.pool.closeIdle();
}

describe('a request to a cluster with TLS', () => {
  it('is encrypted, for a server of the right authority and the right name', async () => {
    const backend = await startBackend(server);
    const rig = await startProxy(backend.port, {
      ...trusting(authority.cert, 'shop.example.com'),
      sni: 'shop.example.com',
    });
    expect(await rig.echo()).toMatchObject({ serverName: 'shop.example.com', protocol: 'TLSv1.3', alpn: false });
    expect(await rig.echo()).toMatchObject({ serverName: 'shop.example.com' });
    expect(backend.connectionsTotal).toBe(1);
    expect(rig.ssl('handshake')).toBe(1);
    expect(rig.ssl('versions.TLSv1.3')).toBe(1);
    expect(rig.ssl('connection_error')).toBe(0);
  });

  it('asks for a protocol, and by default for TLS 1.2 as Envoy does', async () => {
    const backend = await startBackend({ ...server, ALPNProtocols: ['h2', 'http/1.1'] });
    const rig = await startProxy(backend.port, { common_tls_context: { alpn_protocols: ['http/1.1'] } });
    expect(await rig.echo()).toMatchObject({ serverName: false, protocol: 'TLSv1.2', alpn: 'http/1.1' });
  });

  it('resumes the session of a connection before, if that is not switched off', async () => {
    const backend = await startBackend(server);
    const reuses = async (tls: UpstreamTlsContext): Promise<boolean> => {
      const rig = await startProxy(backend.port, tls);
      await rig.echo();
      await until(() => rig.proxy.stat('cluster.backend.upstream_cx_active') === 1);
      forgetConnections(rig);
      const { isReused } = await rig.echo();
      expect(rig.ssl('session_reused')).toBe(isReused ? 1 : 0);
      return isReused;
    };
    expect(await reuses(trusting(authority.cert, 'shop.example.com'))).toBe(true);
    expect(await reuses({ ...trusting(authority.cert, 'shop.example.com'), max_session_keys: 0 })).toBe(false);
  });
});

describe('a server is refused before a byte of the request is sent', () => {
  const sanDetail = 'SAN_matcher,_certificate_SANs_are_[shop.example.com,_*.svc.example.com,_127.0.0.1]';
  const refusals: readonly [string, () => Certificate, () => UpstreamTlsContext, string, string][] = [
    [
      'of another authority',
      () => server,
      () => trusting(other.cert, 'shop.example.com'),
      'fail_verify_error',
      'X509_verify_cert:_certificate_verification_error:_unable_to_get_local_issuer_certificate',
    ],
    [
      'with another name',
      () => server,
      () => trusting(authority.cert, 'bank.example.com'),
      'fail_verify_san',
      sanDetail,
    ],
    [
      'with a name that only looks like it',
      () => server,
      () => trusting(authority.cert, 'a.b.svc.example.com'),
      'fail_verify_san',
      sanDetail,
    ],
    [
      'whose certificate has expired',
      () => authority.issue({ names: ['DNS:shop.example.com'], isExpired: true }),
      () => trusting(authority.cert, 'shop.example.com'),
      'fail_verify_error',
      'X509_verify_cert:_certificate_verification_error:_certificate_has_expired',
    ],
    [
      'that signed its certificate itself',
      () => {
        const alone = new Authority('alone');
        const certificate = alone.issue({ names: ['DNS:shop.example.com'] });
        alone.close();
        return certificate;
      },
      () => trusting(authority.cert, 'shop.example.com'),
      'fail_verify_error',
      'X509_verify_cert:_certificate_verification_error:_unable_to_get_local_issuer_certificate',
    ],
    [
      'that is not the one server name that is asked for',
      () => server,
      () => ({ ...trusting(authority.cert), sni: 'bank.example.com', auto_sni_san_validation: true }),
      'fail_verify_san',
      sanDetail,
    ],
  ];

  it.each(refusals)('%s', async (...[, certificate, tls, stat, detail]) => {
    const backend = await startBackend(certificate());
    const rig = await startProxy(backend.port, tls());
    const answer = await rig.call();
    expect(answer.status).toBe(503);
    expect(answer.body).toMatch(/^connecting to 127\.0\.0\.1:\d+ failed: the peer's certificate /);
    expect(await rig.logged()).toBe(
      `UF TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_${detail}:TLS_error_end`,
    );
    expect(rig.ssl('handshake')).toBe(0);
    expect(backend.requests).toBe(0);
    expect(rig.ssl(stat)).toBe(1);
    expect(rig.ssl('connection_error')).toBe(0);
    expect(rig.proxy.stat('cluster.backend.upstream_cx_connect_fail')).toBe(1);
  });

  it('with a hash that is not on the list, and let in with one that is', async () => {
    const backend = await startBackend(server);
    const { X509Certificate, createHash } = await import('node:crypto');
    const leaf = new X509Certificate(server.cert);
    const key = createHash('sha256')
      .update(leaf.publicKey.export({ type: 'spki', format: 'der' }))
      .digest('base64');
    const withHashes = (hashes: object): UpstreamTlsContext => ({ common_tls_context: { validation_context: hashes } });
    const good = [
      { verify_certificate_hash: [leaf.fingerprint256] },
      { verify_certificate_spki: [key] },
      { verify_certificate_hash: ['0'.repeat(64)], verify_certificate_spki: [key] },
    ];
    for (const hashes of good) await (await startProxy(backend.port, withHashes(hashes))).echo();
    const rig = await startProxy(backend.port, withHashes({ verify_certificate_hash: ['0'.repeat(64)] }));
    expect((await rig.call()).status).toBe(503);
    expect(rig.ssl('fail_verify_cert_hash')).toBe(1);
  });

  it('when it speaks plain HTTP', async () => {
    const plain = closeAfterTest(net.createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const rig = await startProxy((plain.address() as AddressInfo).port, trusting(authority.cert));
    const answer = await rig.call();
    expect(answer.status).toBe(503);
    expect(await rig.logged()).toBe(
      'UF TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end',
    );
    expect(rig.ssl('connection_error')).toBe(1);
  });

  it('when it never answers the handshake, once the connect timeout is over', async () => {
    const silent = closeAfterTest(net.createServer((socket) => socket.on('error', () => {}).resume()));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const rig = await startProxy((silent.address() as AddressInfo).port, trusting(authority.cert));
    const answer = rig.call();
    await until(() => rig.proxy.stat('cluster.backend.upstream_cx_total') === 1);
    rig.proxy.clock.advance(5_100);
    expect((await answer).status).toBe(503);
    expect(rig.proxy.stat('cluster.backend.upstream_cx_connect_timeout')).toBe(1);
  });
});

describe('a cluster with a certificate of its own', () => {
  const mutual = (client: Certificate): UpstreamTlsContext => {
    const { common_tls_context } = trusting(authority.cert, 'shop.example.com');
    const tls_certificates = [{ certificate_chain: inline(client.cert), private_key: inline(client.key) }];
    return { common_tls_context: { ...common_tls_context, tls_certificates } };
  };
  const asking = (): Parameters<typeof TlsBackend.start>[0] => ({
    ...server,
    requestCert: true,
    rejectUnauthorized: true,
    ca: authority.cert,
  });

  it('shows it to a server that asks', async () => {
    const backend = await startBackend(asking());
    const rig = await startProxy(backend.port, mutual(authority.issue({ names: ['URI:spiffe://mesh/client'] })));
    expect(await rig.echo()).toMatchObject({ client: 'URI:spiffe://mesh/client' });
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('fails at a server that does not take it (%s)', async (version) => {
    const backend = await startBackend({ ...asking(), maxVersion: version });
    const rig = await startProxy(backend.port, mutual(other.issue()));
    expect((await rig.call()).status).toBe(503);
    expect(backend.requests).toBe(0);
  });

  it('fails in plain sight when the key is of another certificate, and sends nothing', async () => {
    const backend = await startBackend(asking());
    const { cert } = authority.issue();
    const rig = await startProxy(backend.port, mutual({ cert, key: authority.issue().key }));
    const answer = await rig.call();
    expect(answer.status).toBe(503);
    expect(answer.body).toMatch(/failed: .*mismatch/);
    expect(await rig.logged()).toBe('UF TLS_error:_Secret_is_not_supplied_by_SDS');
    expect(backend.connectionsTotal).toBe(0);
    expect(rig.log.join('')).toMatch(/certificates cannot be used, connections fail.*cluster backend.*mismatch/);
    expect(rig.proxy.stat('cluster.backend.client_ssl_socket_factory.key_rotation_failed')).toBe(1);
    expect(rig.proxy.stat('cluster.backend.client_ssl_socket_factory.upstream_context_secrets_not_ready')).toBe(1);
  });
});

describe('secrets of SDS', () => {
  const certificate = ({ cert, key }: Certificate, name = 'default'): Secret => ({
    name,
    tls_certificate: { certificate_chain: inline(cert), private_key: inline(key) },
  });
  const clientOf = (id: string): Certificate => authority.issue({ names: [`URI:spiffe://mesh/${id}`] });

  /** A proxy that asks for the secrets of the cluster `shop` and gets client `a`. */
  async function startShop() {
    const ads = new FakeAdsServer();
    await ads.start();
    closeAfterTest({ close: () => ads.stop() });
    const backend = await startBackend({ ...server, requestCert: true, rejectUnauthorized: true, ca: authority.cert });
    const proxy = createProxy(adsBootstrapText(ads.port));
    const started = proxy.start();
    const stream = await ads.nextStream();
    const load_assignment = assignmentJson('shop', backend.port);
    stream.send('CDS', '1', { ...tlsClusterJson('shop', 'default', 'ROOTCA'), load_assignment });
    stream.send(
      'LDS',
      '1',
      httpListener({ port: 0, routes: routeConfiguration([{ match: { prefix: '/' }, route: { cluster: 'shop' } }]) }),
    );
    const requestFor = async (names: readonly string[]): Promise<NamedRequest> => {
      for (;;) {
        const request = await stream.next();
        if (request.name === 'SDS' && request.resourceNames.join() === names.join()) return request;
      }
    };
    await requestFor(['ROOTCA', 'default']);
    const trust: Secret = { name: 'ROOTCA', validation_context: { trusted_ca: inline(authority.cert) } };
    stream.send('SDS', '1', certificate(clientOf('a')), trust);
    await started;
    const port = proxy.listeners.list()[0]?.port ?? 0;
    const askedFrom = async (): Promise<string | undefined> =>
      (JSON.parse((await callProxy(port)).body) as TlsEcho).client;
    return { proxy, stream, load_assignment, requestFor, askedFrom };
  }

  it('are asked for with their cluster, used when they come, and refused when they are useless', async () => {
    const { proxy, stream, requestFor, askedFrom } = await startShop();
    expect(await askedFrom()).toBe('URI:spiffe://mesh/a');

    const { cert } = authority.issue();
    stream.send('SDS', '2', certificate({ cert, key: authority.issue().key }));
    for (let refused = false; !refused;) {
      const { errorDetail } = await requestFor(['ROOTCA', 'default']);
      refused = errorDetail !== undefined;
      if (refused) expect(errorDetail?.message).toMatch(/^default: tls_certificate: .*mismatch/);
    }
    stream.send('SDS', '3', certificate(clientOf('b')));
    const updates = 'cluster.shop.client_ssl_socket_factory.ssl_context_update_by_sds';
    await until(() => proxy.stats.counter(updates).value === 1);
    for (const host of proxy.clusters.get('shop')?.hosts ?? []) host.pool.closeIdle();
    expect(await askedFrom()).toBe('URI:spiffe://mesh/b');
  });

  it('that are still to come fail no request: the cluster before serves, and its own are asked for no more', async () => {
    const { proxy, stream, load_assignment, requestFor, askedFrom } = await startShop();
    stream.send('CDS', '2', { ...tlsClusterJson('shop', 'late', 'ROOTCA'), load_assignment });
    await requestFor(['ROOTCA', 'late']);
    expect(await askedFrom()).toBe('URI:spiffe://mesh/a');
    expect(proxy.clusters.isWarming).toBe(true);
    stream.send('SDS', '2', certificate(clientOf('c'), 'late'));
    await until(() => !proxy.clusters.isWarming);
    expect(await askedFrom()).toBe('URI:spiffe://mesh/c');
    stream.send('CDS', '3', { ...tlsClusterJson('shop', 'default', 'ROOTCA'), load_assignment });
    await requestFor(['ROOTCA', 'default']);
    expect(proxy.clusters.isWarming).toBe(true);
  });
});

describe('certificates in files', () => {
  it('are replaced while the proxy runs; a bad file keeps the last good one', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'ca.pem');
    const replace = (text: string): void => {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    };
    replace(other.cert);
    const backend = await startBackend(server);
    const tls = { common_tls_context: { validation_context: { trusted_ca: { filename: path } } } };
    const rig = await startProxy(backend.port, tls);
    const factory = 'cluster.backend.client_ssl_socket_factory';
    expect((await rig.call()).status).toBe(503);

    replace(authority.cert);
    rig.proxy.clock.advance(5_000);
    await rig.echo();
    expect(rig.proxy.stat(`${factory}.ssl_context_update_by_sds`)).toBe(1);

    replace('no certificate');
    rig.proxy.clock.advance(5_000);
    forgetConnections(rig);
    await rig.echo();
    expect(rig.proxy.stat(`${factory}.key_rotation_failed`)).toBe(1);
    expect(rig.log.join('')).toContain('the ones before stay in use');

    replace(other.cert);
    rig.proxy.clock.advance(5_000);
    forgetConnections(rig);
    expect((await rig.call()).status).toBe(503);
    expect(rig.ssl('fail_verify_error')).toBe(2);
  });
});
