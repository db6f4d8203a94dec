/** A value that is built from secrets, and built again whenever they change. What cannot be used replaces nothing. */
import { isDeepStrictEqual } from 'node:util';
import type { CommonTls } from '../api/tls.ts';
import type { CertificateStore, TlsMaterial, TlsSource } from './certificate-store.ts';
import type { SslStats } from './ssl-stats.ts';

export interface LiveContextOptions<C> {
  readonly tls: CommonTls;
  readonly store: CertificateStore;
  readonly stats: SslStats;
  /** For the log: whose context it is. */
  readonly owner: string;
  /** May throw: what OpenSSL does not take, such as a key that is not the certificate's. */
  readonly build: (material: TlsMaterial) => C;
  /** Called when the secrets were looked at anew, whatever came of it. */
  readonly onUpdate?: (() => void) | undefined;
}

export class LiveContext<C> {
  readonly #options: LiveContextOptions<C>;
  #source: TlsSource | undefined = undefined;
  #isClosed = false;
  #material: TlsMaterial | undefined = undefined;
  #current: C | undefined = undefined;
  /** Why there is none, or why it is still the one before. */
  #fault = '';
  /** What is missing is on its way, as far as anybody knows. */
  #isSdsMissing = false;

  constructor(options: LiveContextOptions<C>) {
    this.#options = options;
  }

  /** For a new connection; undefined when secrets are missing or useless, and none were good before. */
  get current(): C | undefined {
    if (this.#source === undefined) this.start();
    return this.#current;
  }

  get stats(): SslStats {
    return this.#options.stats;
  }

  /** Why there is no context. */
  get fault(): string {
    return this.#fault;
  }

  /** It has been started, has nothing to work with yet, and will have as soon as SDS answers. */
  get isWaitingForSds(): boolean {
    return this.#isSdsMissing && this.#current === undefined;
  }

  /** Reads the secrets for the first time. Idempotent; otherwise the first connection does it. */
  start(): void {
    if (this.#source !== undefined || this.#isClosed) return;
    this.#source = this.#options.store.open(this.#options.tls, () => {
      this.#update();
      this.#options.onUpdate?.();
    });
    this.#update();
  }

  close(): void {
    this.#isClosed = true;
    this.#source?.close();
    this.#source = undefined;
  }

  #update(): void {
    const resolved = this.#source?.resolve();
    if (resolved === undefined) return;
    this.#isSdsMissing = resolved.material === undefined && resolved.isSdsMissing;
    if (resolved.material === undefined) return this.#refuse(resolved.fault, resolved.isSdsMissing);
    if (isDeepStrictEqual(resolved.material, this.#material)) {
      this.#fault = '';
      return;
    }
    const isFirst = this.#current === undefined;
    try {
      this.#current = this.#options.build(resolved.material);
    } catch (error) {
      return this.#refuse(error instanceof Error ? error.message : String(error), false);
    }
    this.#material = resolved.material;
    this.#fault = '';
    if (isFirst) return;
    const { owner, stats, store } = this.#options;
    stats.contextUpdates.value += 1;
    store.logger.info('new certificates are in use', { owner });
  }

  /** What has not come yet is no failure; everything else is said once. */
  #refuse(fault: string, isExpected: boolean): void {
    if (fault === this.#fault) return;
    const { owner, stats, store } = this.#options;
    this.#fault = fault;
    if (isExpected) return;
    stats.rotationFailures.value += 1;
    const consequence = this.#current === undefined ? 'connections fail' : 'the ones before stay in use';
    store.logger.warn(`certificates cannot be used, ${consequence}`, { owner, fault });
  }
}
