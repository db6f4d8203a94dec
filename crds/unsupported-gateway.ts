/** The part of Gateways that is in force, where it is decided by a value. */
import type { FieldError } from '../proxy/common/decoded.ts';
import { show } from './findings.ts';

const serverProtocols: readonly string[] = ['HTTP', 'HTTPS', 'TCP', 'TLS'];

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
