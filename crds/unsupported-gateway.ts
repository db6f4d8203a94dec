/** The part of Gateways that is in force, where it is decided by a value. */
import type { FieldError } from '../proxy/common/decoded.ts';
import { show } from './findings.ts';
import { credentialNamesOf, type ServerTlsSettings } from './gateway.ts';

const serverProtocols: readonly string[] = ['HTTP', 'HTTP2', 'GRPC', 'HTTPS', 'TCP', 'TLS'];

/** In any letter case. */
export function unsupportedServerProtocol(protocol: unknown, path: string): FieldError[] {
  if (serverProtocols.includes(String(protocol).toUpperCase())) return [];
  const known = serverProtocols.map(show).join(', ');
  return [{ path, message: `${show(protocol)} is not supported yet, only ${known}` }];
}

/** BoringSSL also takes expressions about several suites. */
export function unsupportedCipherSuite(name: unknown, path: string): FieldError[] {
  if (/^(?!-)[A-Z0-9-]*$/.test(String(name))) return [];
  return [{ path, message: `${show(name)} is not supported yet, only the name of a cipher suite` }];
}

/** A gateway has the secrets of its own namespace; Istio also takes those that others grant it, and those in files. */
export function unsupportedCredentialName(name: unknown, path: string): FieldError[] {
  if (/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(String(name)) || name === '') return [];
  return [
    { path, message: `${show(name)} is not supported yet, only the name of a secret of the gateway's namespace` },
  ];
}

/** Istio takes them and reads the secret alone. */
export function filesBesideCredential(tls: ServerTlsSettings, path: string): FieldError[] {
  const source = tls.credentialName ? 'credentialName' : 'credentialNames';
  if (credentialNamesOf(tls).length === 0) return [];
  const idle = (['serverCertificate', 'privateKey', 'caCertificates'] as const).filter((field) => tls[field]);
  return idle.map((field) => ({ path: `${path}.${field}`, message: `has no effect beside ${source}` }));
}
