/** Gateway: what the proxies at the edge of the mesh listen for. Source: istio/api networking/v1alpha3/gateway.proto. */
import { Type, type Static } from 'typebox';
import * as s from './schema.ts';

const tlsVersion = s.oneOf('TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3');

const tlsCertificate = s.message({ serverCertificate: s.string, privateKey: s.string, caCertificates: s.string });

const serverTls = s.message({
  httpsRedirect: s.boolean,
  mode: s.oneOf('PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL'),
  serverCertificate: s.string,
  privateKey: s.string,
  caCertificates: s.string,
  caCrl: s.string,
  credentialName: s.string,
  credentialNames: s.strings,
  caCertCredentialName: s.string,
  tlsCertificates: s.listOf(tlsCertificate),
  subjectAltNames: s.strings,
  verifyCertificateSpki: s.strings,
  verifyCertificateHash: s.strings,
  minProtocolVersion: tlsVersion,
  maxProtocolVersion: tlsVersion,
  cipherSuites: s.strings,
  insecureSkipVerify: s.boolean,
});

const serverPort = s.record({
  /** 0 only where `bind` names a unix socket, which has no port. */
  number: s.portOrZero,
  protocol: s.string,
  name: s.optional(s.string),
  targetPort: s.optional(s.portOrZero),
});

const server = s.record({
  port: serverPort,
  bind: s.optional(s.string),
  hosts: s.strings,
  tls: s.optional(serverTls),
  defaultEndpoint: s.optional(s.string),
  name: s.optional(s.string),
});

export const gatewaySchema = Type.Partial(Type.Object({ servers: s.listOf(server), selector: s.stringMap }), {
  additionalProperties: false,
  description: 'What the proxies at the edge of the mesh listen for.',
});

export type GatewaySpec = Static<typeof gatewaySchema>;
export type GatewayServer = Static<typeof server>;
export type ServerTlsSettings = Static<typeof serverTls>;

/** Secrets with the certificates of a server, one for each kind of key that its clients may know. */
export function credentialNamesOf({ credentialName = '', credentialNames = [] }: ServerTlsSettings): readonly string[] {
  return credentialName === '' ? credentialNames : [credentialName];
}

/** TLS is not ended here, but by whoever the connection is for; protobuf's default. */
export function isPassthrough({ mode = 'PASSTHROUGH' }: ServerTlsSettings): boolean {
  return mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH';
}
