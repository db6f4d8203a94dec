/** Envoy's statistics of TLS, under Envoy's names: `cluster.NAME.ssl.handshake`, `listener.ADDRESS.ssl.…`. */
import type { TLSSocket } from 'node:tls';
import type { Stat, StatsStore } from '../common/stats.ts';
import type { VerificationFault } from './tls-failure.ts';

export class SslStats {
  readonly connectionErrors: Stat;
  readonly handshakes: Stat;
  readonly sessionsReused: Stat;
  /** Of clients that have none and need none. */
  readonly noCertificate: Stat;
  /** Contexts that were built again from changed secrets, and secrets that none could be built from. */
  readonly contextUpdates: Stat;
  readonly rotationFailures: Stat;
  /** Connections that could not be, for want of a context. */
  readonly secretsNotReady: Stat;
  readonly #failures: Readonly<Record<VerificationFault['kind'], Stat>>;
  readonly #store: StatsStore;
  readonly #prefix: string;
  readonly #all = new Set<Stat>();

  /** `prefix`: `cluster.NAME.` or `listener.ADDRESS.`. */
  constructor(store: StatsStore, prefix: string, side: 'client' | 'server') {
    this.#store = store;
    this.#prefix = prefix;
    const factory = `${side}_ssl_socket_factory.`;
    this.connectionErrors = this.#counter('ssl.connection_error');
    this.handshakes = this.#counter('ssl.handshake');
    this.sessionsReused = this.#counter('ssl.session_reused');
    this.noCertificate = this.#counter('ssl.no_certificate');
    this.contextUpdates = this.#counter(`${factory}ssl_context_update_by_sds`);
    this.rotationFailures = this.#counter(`${factory}key_rotation_failed`);
    this.secretsNotReady = this.#counter(
      `${factory}${side === 'client' ? 'upstream' : 'downstream'}_context_secrets_not_ready`,
    );
    this.#failures = {
      no_cert: this.#counter('ssl.fail_verify_no_cert'),
      error: this.#counter('ssl.fail_verify_error'),
      san: this.#counter('ssl.fail_verify_san'),
      cert_hash: this.#counter('ssl.fail_verify_cert_hash'),
    };
  }

  /** Every one of them, for when the cluster or the listener goes. */
  get all(): readonly Stat[] {
    return [...this.#all];
  }

  onHandshake(socket: TLSSocket): void {
    this.handshakes.value += 1;
    if (socket.isSessionReused()) this.sessionsReused.value += 1;
    this.#counter(`ssl.versions.${socket.getProtocol() ?? 'unknown'}`).value += 1;
    this.#counter(`ssl.ciphers.${socket.getCipher().standardName}`).value += 1;
  }

  onVerificationFault({ kind }: VerificationFault): void {
    this.#failures[kind].value += 1;
  }

  #counter(name: string): Stat {
    const stat = this.#store.counter(this.#prefix + name);
    this.#all.add(stat);
    return stat;
  }
}
