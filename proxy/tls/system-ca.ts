/** The authorities that the operating system trusts: one bundle, which every system has elsewhere. */
import { rootCertificates } from 'node:tls';
import type { FileContent } from './watched-files.ts';

/** Debian's, the one that Envoy's documentation and its images use, first; then those of Red Hat, SUSE and Alpine. */
const bundles: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * What to use where `path` is missing, if that is the bundle of some system: the bundle of this one, or else what Node
 * brings along. Undefined for any other path.
 */
export function readSystemCa(path: string, readFile: (path: string) => FileContent): FileContent | undefined {
  if (!bundles.includes(path)) return undefined;
  const found = bundles.map((bundle) => readFile(bundle)).find((content) => content.text !== undefined);
  return found ?? { text: rootCertificates.join('\n') };
}
