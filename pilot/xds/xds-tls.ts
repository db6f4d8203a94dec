/**
 * TLS of the xDS server: both sides show certificates. What comes over it may be private, and who asks is somebody whom the
 * owner of the mesh has given a certificate.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { experimental, type ServerCredentials } from '@grpc/grpc-js';
import type { Clock } from '../../proxy/common/clock.ts';
import type { Logger } from '../../proxy/common/log.ts';

/** Names of Kubernetes' secrets of type `kubernetes.io/tls`, with the authority that cert-manager puts beside them. */
export const tlsFiles = { certificate: 'tls.crt', key: 'tls.key', authority: 'ca.crt' } as const;

/** How often files are looked at: new connections see certificates that were replaced. */
export const refreshMs = 5_000;

interface Files {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

type Provider = experimental.CertificateProvider;

/** Certificates in a folder. Those that cannot be used replace nothing: the library's own provider would refuse everybody. */
export class XdsCertificates implements Provider {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #identityListeners = new Set<experimental.IdentityCertificateUpdateListener>();
  readonly #caListeners = new Set<experimental.CaCertificateUpdateListener>();
  #files: Files = { cert: '', key: '', ca: '' };
  #fault = '';
  #cancelTimer = (): void => {};

  constructor(folder: string, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#folder = folder;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Rejects, with one sentence, when a file is missing or they do not belong together. */
  async open(): Promise<ServerCredentials> {
    try {
      this.#files = await readFiles(this.#folder);
    } catch (cause) {
      throw new Error(`TLS of xDS cannot be served from ${this.#folder}: ${(cause as Error).message}`, { cause });
    }
    this.#watch();
    return experimental.createCertificateProviderServerCredentials(this, this, true);
  }

  close(): void {
    this.#cancelTimer();
  }

  #watch(): void {
    this.#cancelTimer = this.#clock.setTimer(() => {
      this.#watch();
      void this.#refresh();
    }, refreshMs);
  }

  async #refresh(): Promise<void> {
    try {
      const files = await readFiles(this.#folder);
      this.#fault = '';
      if (isDeepStrictEqual(files, this.#files)) return;
      this.#files = files;
    } catch (cause) {
      const fault = (cause as Error).message;
      if (fault !== this.#fault) {
        this.#logger.warn('certificates cannot be used, the ones before stay in use', { folder: this.#folder, fault });
      }
      this.#fault = fault;
      return;
    }
    for (const listener of this.#caListeners) this.#tellAuthority(listener);
    for (const listener of this.#identityListeners) this.#tellIdentity(listener);
    this.#logger.info('new certificates are in use', { folder: this.#folder });
  }

  #tellAuthority(listener: experimental.CaCertificateUpdateListener): void {
    listener({ caCertificate: Buffer.from(this.#files.ca) });
  }

  #tellIdentity(listener: experimental.IdentityCertificateUpdateListener): void {
    listener({ certificate: Buffer.from(this.#files.cert), privateKey: Buffer.from(this.#files.key) });
  }

  // ---- what the library asks: it wants to be told later, as it is not ready yet when it asks ----

  addCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#caListeners.add(listener);
    process.nextTick(() => this.#tellAuthority(listener));
  }

  removeCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#caListeners.delete(listener);
  }

  addIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#identityListeners.add(listener);
    process.nextTick(() => this.#tellIdentity(listener));
  }

  removeIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#identityListeners.delete(listener);
  }
}

async function readFiles(folder: string): Promise<Files> {
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');
  // One after the other, so that of several that are missing it is always the first that is named.
  const cert = await read(tlsFiles.certificate);
  const key = await read(tlsFiles.key);
  const ca = await read(tlsFiles.authority);
  // OpenSSL takes any text for a bundle of no authority.
  if (!ca.includes('-----BEGIN CERTIFICATE-----')) throw new Error(`${tlsFiles.authority} has no certificate in PEM`);
  createSecureContext({ cert, key, ca });
  return { cert, key, ca };
}
