import { describe, expect, test } from 'vitest';
import { errorsOf, resource, unsupportedOf, warningsOf } from '../support.ts';

const http = { port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] };
const files = { serverCertificate: '/etc/tls/cert.pem', privateKey: '/etc/tls/key.pem' };
const https = {
  port: { number: 443, name: 'https', protocol: 'HTTPS' },
  hosts: ['shop.example.com'],
  tls: { mode: 'SIMPLE', ...files },
};

const gateway = (...servers: object[]): object => resource('Gateway', { selector: { gateway: 'edge' }, servers });

describe('a Gateway', () => {
  test.each([
    ['of one HTTP server', http],
    ['bound to an address', { ...http, bind: '127.0.0.1' }],
    [
      'of hosts of one namespace, of its own, and of all',
      { ...http, hosts: ['shop/a.example.com', './*.b.com', '*/*'] },
    ],
    ['that leads to https', { ...http, tls: { httpsRedirect: true } }],
    ['that ends TLS', https],
    ['with a protocol in lower case', { ...https, port: { ...https.port, protocol: 'https' } }],
    ['that asks for certificates', { ...https, tls: { ...files, mode: 'MUTUAL', caCertificates: '/ca.pem' } }],
    ['that takes certificates', { ...https, tls: { ...files, mode: 'OPTIONAL_MUTUAL', caCertificates: '/ca.pem' } }],
    [
      'of some versions and cipher suites',
      {
        ...https,
        tls: {
          ...https.tls,
          minProtocolVersion: 'TLSV1_2',
          maxProtocolVersion: 'TLSV1_3',
          cipherSuites: ['ECDHE-RSA-AES128-GCM-SHA256'],
        },
      },
    ],
  ])('%s is valid and in force', (_, server) => {
    expect(errorsOf(gateway(server))).toEqual([]);
    expect(warningsOf(gateway(server))).toEqual([]);
    expect(unsupportedOf(gateway(server))).toEqual([]);
  });

  test.each([
    ['without servers', [], 'spec.servers: must have at least one server'],
    ['without hosts', [{ ...http, hosts: [] }], 'spec.servers[0].hosts: must have at least one host'],
    [
      'of a short host',
      [{ ...http, hosts: ['shop'] }],
      'spec.servers[0].hosts[0]: must be a full name or "*", got "shop"',
    ],
    [
      'of a partial wildcard',
      [{ ...http, hosts: ['*shop.example.com'] }],
      'spec.servers[0].hosts[0]: must not be a partial wildcard: write "*." and a domain, got "*shop.example.com"',
    ],
    [
      'with one name for two ports',
      [http, { ...http, port: { ...http.port, number: 81 } }],
      'spec.servers[1].port.name: repeats "http"',
    ],
    [
      'without the name of a port',
      [{ ...http, port: { ...http.port, name: '' } }],
      'spec.servers[0].port.name: is required',
    ],
    [
      'with a target port',
      [{ ...http, port: { ...http.port, targetPort: 8080 } }],
      'spec.servers[0].port.targetPort: must not be given: it has no effect for a gateway',
    ],
    ['bound to a name', [{ ...http, bind: 'a.com' }], 'spec.servers[0].bind: must be an IP address, got "a.com"'],
    ['of HTTPS without tls', [{ ...https, tls: undefined }], 'spec.servers[0].tls: is required for protocol HTTPS'],
    [
      'of HTTP with certificates',
      [{ ...http, tls: files }],
      'spec.servers[0].tls: must not have more than httpsRedirect for protocol HTTP',
    ],
    [
      'without a private key',
      [{ ...https, tls: { ...https.tls, privateKey: '' } }],
      'spec.servers[0].tls.privateKey: is required when mode is SIMPLE',
    ],
    [
      'that asks for certificates of anybody',
      [{ ...https, tls: { ...https.tls, mode: 'MUTUAL' } }],
      'spec.servers[0].tls.caCertificates: is required when mode is MUTUAL',
    ],
    [
      'with two sources of certificates',
      [{ ...https, tls: { ...https.tls, tlsCertificates: [files] } }],
      'spec.servers[0].tls: must have one source of certificates, got serverCertificate and tlsCertificates',
    ],
  ])('%s is refused', (_, servers, error) => {
    // As a file has it: a field is there or not.
    expect(errorsOf(JSON.parse(JSON.stringify(gateway(...servers))))).toEqual([error]);
  });

  test('has a name that fits in the name of its routes', () => {
    expect(errorsOf(resource('Gateway', { servers: [http] }, { name: 'a.b' }))).toEqual([
      'metadata.name: must be a DNS label (letters, digits and hyphens, at most 63 characters), got "a.b"',
    ]);
  });

  test('warns of httpsRedirect where no plain request comes, and of cipher suites that are none', () => {
    const tls = { ...https.tls, httpsRedirect: true, cipherSuites: ['AES'] };
    expect(warningsOf(gateway({ ...https, tls }))).toEqual([
      'spec.servers[0].tls.cipherSuites[0]: is not a known cipher suite and left out: "AES"',
      'spec.servers[0].tls.httpsRedirect: has an effect for HTTP servers only',
    ]);
  });
});

describe('what a Gateway cannot have yet', () => {
  const notYet = 'is not supported yet';
  test.each([
    ['another protocol', { ...http, port: { ...http.port, protocol: 'MONGO' } }, 'port.protocol: "MONGO"'],
    ['a unix socket', { ...http, bind: 'unix://@edge', port: { ...http.port, number: 0 } }, 'bind: "unix://@edge"'],
    [
      'certificates of another namespace',
      { ...https, tls: { mode: 'SIMPLE', credentialName: 'kubernetes-gateway://a/shop' } },
      'tls.credentialName: "kubernetes-gateway://a/shop"',
    ],
    [
      'certificates of another namespace among several',
      { ...https, tls: { mode: 'SIMPLE', credentialNames: ['a', 'kubernetes-gateway://a/shop'] } },
      'tls.credentialNames[1]: "kubernetes-gateway://a/shop"',
    ],
    [
      'an authority of each certificate',
      {
        ...https,
        tls: { mode: 'MUTUAL', caCertificates: '/ca.pem', tlsCertificates: [{ ...files, caCertificates: '/a.pem' }] },
      },
      'tls.tlsCertificates[0].caCertificates:',
    ],
    ['certificates of the mesh', { ...https, tls: { mode: 'ISTIO_MUTUAL' } }, 'tls.mode: "ISTIO_MUTUAL"'],
    ['SNI of clusters', { ...https, tls: { mode: 'AUTO_PASSTHROUGH' } }, 'tls.mode: "AUTO_PASSTHROUGH"'],
    [
      'hashes of certificates',
      { ...https, tls: { ...https.tls, verifyCertificateHash: ['ab'] } },
      'tls.verifyCertificateHash:',
    ],
    [
      'expressions of ciphers',
      { ...https, tls: { ...https.tls, cipherSuites: ['-ALL'] } },
      'tls.cipherSuites[0]: "-ALL"',
    ],
  ])('%s is refused by name', (_, server, start) => {
    expect(errorsOf(gateway(server))).toEqual([]);
    const [fault = '', ...others] = unsupportedOf(gateway(server));
    expect(others).toEqual([]);
    expect(fault.startsWith(`spec.servers[0].${start}`)).toBe(true);
    expect(fault).toContain(notYet);
  });

  test('several certificates of a server are in force, from secrets and from files', () => {
    const named = { ...https, tls: { mode: 'SIMPLE', credentialNames: ['shop', 'shop-rsa'] } };
    const listed = { ...https, tls: { mode: 'SIMPLE', tlsCertificates: [files, files] } };
    for (const server of [named, listed]) {
      expect(errorsOf(gateway(server))).toEqual([]);
      expect(unsupportedOf(gateway(server))).toEqual([]);
    }
    const beside = { ...https, tls: { ...named.tls, mode: 'MUTUAL', caCertificates: '/ca.pem' } };
    expect(unsupportedOf(gateway(beside))).toEqual([
      'spec.servers[0].tls.caCertificates: has no effect beside credentialNames',
    ]);
  });

  test('a file beside the name of a secret is refused by name', () => {
    const server = { ...https, tls: { mode: 'MUTUAL', credentialName: 'shop', caCertificates: '/ca.pem' } };
    expect(errorsOf(gateway(server))).toEqual([]);
    expect(unsupportedOf(gateway(server))).toEqual([
      'spec.servers[0].tls.caCertificates: has no effect beside credentialName',
    ]);
  });
});
