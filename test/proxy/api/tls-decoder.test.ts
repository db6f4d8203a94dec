import { describe, expect, it, test } from 'vitest';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import type {
  CommonTlsContext,
  DownstreamTlsContext,
  Secret,
  TransportSocket,
  UpstreamTlsContext,
} from '../../../proxy/api/envoy.gen.ts';
import { decodeFields } from '../../../proxy/api/fields.ts';
import { decode, encode, readJson } from '../../../proxy/api/protojson.ts';
import { decodeSecret } from '../../../proxy/api/secret-decoder.ts';
import { readDownstreamTls, readUpstreamTls } from '../../../proxy/api/tls-decoder.ts';
import { type Decoded, formatFieldErrors, requireValue } from '../../../proxy/common/decoded.ts';
import { ads, staticClusterJson, typed } from './samples.ts';

const package_ = 'envoy.extensions.transport_sockets.tls.v3';
const socket = (message: 'DownstreamTlsContext' | 'UpstreamTlsContext', json: object): TransportSocket => {
  const checked = requireValue(readJson(`${package_}.${message}`, json), 'sample');
  return { name: 'envoy.transport_sockets.tls', typed_config: typed(`${package_}.${message}`, checked) };
};
const upstream = (json: UpstreamTlsContext) =>
  decodeFields({ transport_socket: socket('UpstreamTlsContext', json) }, '', (fields) =>
    readUpstreamTls(fields.required('transport_socket')),
  );
const downstream = (json: DownstreamTlsContext) =>
  decodeFields({ transport_socket: socket('DownstreamTlsContext', json) }, '', (fields) =>
    readDownstreamTls(fields.message('transport_socket')),
  );
const faultsOf = (decoded: Decoded<unknown>): string => formatFieldErrors(decoded.errors ?? []);

const certificate = { certificate_chain: { inline_string: 'chain' }, private_key: { filename: '/etc/key.pem' } };
const withCertificate: CommonTlsContext = { tls_certificates: [certificate] };
const trusted = { trusted_ca: { filename: '/etc/ca.pem' } };
const exactName = (value: string) => ({ kind: 'exact', value, ignoreCase: false });

describe('an UpstreamTlsContext', () => {
  test("has Envoy's defaults: TLS 1.2, no server name, and nothing is verified", () => {
    expect(upstream({ common_tls_context: {} }).value).toMatchObject({
      certificates: [],
      validation: undefined,
      alpnProtocols: [],
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
      ecdhCurves: [],
      sni: '',
      verifiesSni: false,
      reusesSessions: true,
    });
  });

  test('has a certificate, an authority and the names that the server must have', () => {
    const validation_context = {
      ...trusted,
      crl: { inline_bytes: Buffer.from('crl').toString('base64') },
      match_typed_subject_alt_names: [
        { san_type: 'DNS' as const, matcher: { exact: 'shop.example.com' } },
        { san_type: 'URI' as const, matcher: { prefix: 'spiffe://' } },
        { san_type: 'IP_ADDRESS' as const, matcher: { safe_regex: { regex: '10\\..*' } } },
      ],
      verify_certificate_hash: [`AB:${'cd:'.repeat(30)}ef`],
      verify_certificate_spki: [`${'A'.repeat(43)}=`],
    };
    const tls_params = { tls_maximum_protocol_version: 'TLSv1_3' as const, cipher_suites: ['[A|B]:C', 'D'] };
    const common_tls_context = { ...withCertificate, validation_context, alpn_protocols: ['h2,http/1.1'], tls_params };
    const { value } = upstream({ common_tls_context, sni: 'shop.example.com', max_session_keys: 0 });
    expect(value).toMatchObject({
      certificates: [
        {
          kind: 'given',
          secret: {
            certificateChain: { kind: 'inline', text: 'chain' },
            privateKey: { kind: 'file', path: '/etc/key.pem' },
          },
        },
      ],
      alpnProtocols: ['h2', 'http/1.1'],
      maxVersion: 'TLSv1.3',
      cipherSuites: ['A', 'B', 'C', 'D'],
      sni: 'shop.example.com',
      reusesSessions: false,
    });
    expect(value?.validation).toMatchObject({
      sdsName: undefined,
      given: {
        trustedCa: { kind: 'file', path: '/etc/ca.pem' },
        crl: { kind: 'inline', text: 'crl' },
        subjectAltNames: [
          { type: 'DNS', matcher: exactName('shop.example.com') },
          { type: 'URI', matcher: { kind: 'prefix', value: 'spiffe://' } },
          { type: 'IP_ADDRESS', matcher: { kind: 'safe_regex', regex: '10\\..*' } },
        ],
        certificateHashes: [`ab${'cd'.repeat(30)}ef`],
        spkiHashes: [`${'A'.repeat(43)}=`],
      },
    });
  });

  test('takes the older list of names, which may be of any type', () => {
    const validation_context = { ...trusted, match_subject_alt_names: [{ exact: 'a' }] };
    const { value } = upstream({ common_tls_context: { validation_context } });
    const types = value?.validation?.given.subjectAltNames.map(({ type }) => type);
    expect(types).toEqual(['DNS', 'URI', 'EMAIL', 'IP_ADDRESS']);
  });

  test('names secrets of SDS', () => {
    const sds = (name: string) => ({ name, sds_config: ads });
    const combined = {
      default_validation_context: {
        match_typed_subject_alt_names: [{ san_type: 'DNS' as const, matcher: { exact: 'a' } }],
      },
      validation_context_sds_secret_config: sds('ROOTCA'),
    };
    const { value } = upstream({
      common_tls_context: {
        tls_certificate_sds_secret_configs: [sds('default')],
        combined_validation_context: combined,
      },
    });
    expect(value?.certificates).toEqual([{ kind: 'sds', name: 'default' }]);
    expect(value?.validation).toMatchObject({ sdsName: 'ROOTCA', given: { subjectAltNames: [{ type: 'DNS' }] } });
    const alone = upstream({ common_tls_context: { validation_context_sds_secret_config: sds('ROOTCA') } });
    expect(alone.value?.validation).toMatchObject({ sdsName: 'ROOTCA', given: { trustedCa: undefined } });
  });

  test.each<[string, UpstreamTlsContext, RegExp]>([
    ['two certificates', { common_tls_context: { tls_certificates: [certificate, certificate] } }, /at most one/],
    ['renegotiation', { common_tls_context: {}, allow_renegotiation: true }, /allow_renegotiation/],
    ['a server name from the host', { common_tls_context: {}, auto_host_sni: true }, /auto_host_sni/],
    ['many sessions', { common_tls_context: {}, max_session_keys: 2 }, /max_session_keys: must be from 0 to 1/],
    ['a server name that is too long', { common_tls_context: {}, sni: 'a'.repeat(256) }, /sni: must have at most 255/],
    ['a check of no name', { common_tls_context: {}, auto_sni_san_validation: true }, /needs an sni/],
    ['a check without an authority', { common_tls_context: {}, sni: 'a', auto_sni_san_validation: true }, /trusted_ca/],
    ['no common part', {}, /common_tls_context: must be set/],
  ])('is refused with %s', (_what, json, message) => {
    expect(faultsOf(upstream(json))).toMatch(message);
  });

  test.each<[string, CommonTlsContext, RegExp]>([
    [
      'names without an authority',
      { validation_context: { match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'a' } }] } },
      /must have trusted_ca/,
    ],
    ['expired certificates', { validation_context: { allow_expired_certificate: true } }, /allow_expired/],
    ['the roots of the system', { validation_context: { system_root_certs: {} } }, /system_root_certs.* not supported/],
    ['a bad hash', { validation_context: { verify_certificate_hash: ['x'.repeat(64)] } }, /SHA-256 in hex/],
    ['a bad key hash', { validation_context: { verify_certificate_spki: ['x'.repeat(44)] } }, /SHA-256 in base64/],
    ['no version in common', { tls_params: { tls_minimum_protocol_version: 'TLSv1_3' } }, /must not be above/],
    ['a cipher string', { tls_params: { cipher_suites: ['ALL:!aNULL'] } }, /names of cipher suites, got "!aNULL"/],
    ['a strange curve', { tls_params: { ecdh_curves: ['a:b'] } }, /names of curves/],
    ['signature algorithms', { tls_params: { signature_algorithms: ['a'] } }, /signature_algorithms: is not supported/],
    ['an empty protocol', { alpn_protocols: ['h2,'] }, /alpn_protocols/],
    ['a key log', { key_log: { path: '/tmp/keys' } }, /key_log: is not supported/],
    [
      'a certificate from the environment',
      { tls_certificates: [{ ...certificate, private_key: { environment_variable: 'KEY' } }] },
      /must have one of filename, inline_string and inline_bytes/,
    ],
    ['a certificate without a key', { tls_certificates: [{ certificate_chain: { filename: 'a' } }] }, /private_key/],
    [
      'SDS over something else than ADS',
      { tls_certificate_sds_secret_configs: [{ name: 'a', sds_config: { path: '/etc/sds' } }] },
      /sds_config.ads: must be set/,
    ],
  ])('is refused with %s', (_what, common_tls_context, message) => {
    expect(faultsOf(upstream({ common_tls_context }))).toMatch(message);
  });
});

describe('a DownstreamTlsContext', () => {
  test('has the defaults of Envoy', () => {
    expect(downstream({ common_tls_context: withCertificate }).value).toMatchObject({
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      requiresClientCertificate: false,
      prefersOwnCiphers: true,
      issuesTickets: true,
      sessionTimeoutSeconds: undefined,
    });
  });

  test('asks for a client certificate when told so, or when something must stand in one', () => {
    const isRequired = (json: DownstreamTlsContext) => downstream(json).value?.requiresClientCertificate;
    const names = { match_typed_subject_alt_names: [{ san_type: 'URI' as const, matcher: { prefix: 'spiffe://' } }] };
    const withCa = { ...withCertificate, validation_context: trusted };
    expect(isRequired({ common_tls_context: withCa })).toBe(false);
    expect(isRequired({ common_tls_context: withCa, require_client_certificate: true })).toBe(true);
    expect(isRequired({ common_tls_context: { ...withCa, validation_context: { ...trusted, ...names } } })).toBe(true);
  });

  test.each<[string, DownstreamTlsContext, RegExp]>([
    ['no certificate', { common_tls_context: {} }, /must have a certificate/],
    ['ticket keys', { common_tls_context: withCertificate, session_ticket_keys: {} }, /session_ticket_keys/],
    ['a required staple', { common_tls_context: withCertificate, ocsp_staple_policy: 'MUST_STAPLE' }, /ocsp_staple/],
  ])('is refused with %s', (_what, json, message) => {
    expect(faultsOf(downstream(json))).toMatch(message);
  });
});

describe('a secret', () => {
  const secretOf = (json: Secret) => decodeSecret(requireValue(readJson(`${package_}.Secret`, json), 'sample'));

  it('is a certificate or what a certificate has to be', () => {
    expect(secretOf({ name: 'default', tls_certificate: certificate }).value).toMatchObject({
      name: 'default',
      content: { kind: 'tls_certificate', certificate: { certificateChain: { kind: 'inline', text: 'chain' } } },
    });
    expect(secretOf({ name: 'ROOTCA', validation_context: trusted }).value).toMatchObject({
      content: { kind: 'validation_context', validation: { trustedCa: { kind: 'file', path: '/etc/ca.pem' } } },
    });
  });

  it('of another kind is refused', () => {
    expect(faultsOf(secretOf({ name: 'a', generic_secret: {} }))).toMatch(/generic_secret: is not supported/);
  });

  it('crosses the wire as bytes', () => {
    const json = { name: 'default', tls_certificate: certificate };
    expect(decode(`${package_}.Secret`, encode(`${package_}.Secret`, json)).value).toEqual(json);
  });
});

describe('a cluster', () => {
  const cluster = (transport_socket: TransportSocket) =>
    decodeCluster({ ...staticClusterJson('a', 80), transport_socket });

  it('is spoken to over TLS when its transport socket says so', () => {
    const tls = socket('UpstreamTlsContext', { common_tls_context: {}, sni: 'a' });
    expect(cluster(tls).value?.tls).toMatchObject({ sni: 'a' });
    expect(decodeCluster(staticClusterJson('a', 80)).value?.tls).toBeUndefined();
  });

  it('may say that it is spoken to in plain text', () => {
    const raw = typed('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer');
    const decoded = cluster({ name: 'envoy.transport_sockets.raw_buffer', typed_config: raw });
    expect(decoded.errors).toBeUndefined();
    expect(decoded.value?.tls).toBeUndefined();
  });

  it('is refused with the transport socket of a listener', () => {
    const tls = socket('DownstreamTlsContext', { common_tls_context: withCertificate });
    expect(faultsOf(cluster(tls))).toMatch(
      /transport_socket.typed_config: .*DownstreamTlsContext is not supported here/,
    );
  });
});
