/** The certificate that all programs show: ECDSA P-256, made by openssl in the folder of the run. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireExecutable } from '../executable.ts';
import { tlsServerName } from '../load.ts';
import type { ServerTls } from '../nginx.ts';

export interface Certificate {
  /** PEM. */
  readonly text: string;
  readonly file: string;
  readonly keyFile: string;
  /** Certificate and key in one, as HAProxy reads them. */
  readonly bundleFile: string;
}

/** Made once for each folder: rounds compare programs, not keys. */
export function certificateIn(directory: string): Certificate {
  const file = join(directory, 'certificate.pem');
  const keyFile = join(directory, 'key.pem');
  const bundleFile = join(directory, 'bundle.pem');
  if (!existsSync(bundleFile)) {
    const self = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-days', '2'];
    const subject = ['-subj', `/CN=${tlsServerName}`, '-addext', `subjectAltName=DNS:${tlsServerName}`];
    const openssl = requireExecutable('openssl', 'openssl');
    execFileSync(openssl, [...self, ...subject, '-keyout', keyFile, '-out', file], { stdio: 'pipe' });
    writeFileSync(bundleFile, readFileSync(file, 'utf8') + readFileSync(keyFile, 'utf8'), { mode: 0o600 });
  }
  return { text: readFileSync(file, 'utf8'), file, keyFile, bundleFile };
}

export function nginxTls({ file, keyFile }: Certificate): ServerTls {
  return { listenOptions: 'ssl', directives: `ssl_certificate ${file};\n    ssl_certificate_key ${keyFile};` };
}
