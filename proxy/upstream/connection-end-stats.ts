/** How connections to the hosts of a cluster ended, under Envoy's names. */
import type { Stat } from '../common/stats.ts';

export class ConnectionEndStats {
  readonly #all: Stat;
  readonly #local: Stat;
  readonly #remote: Stat;
  readonly #active: Stat;
  readonly #localActive: Stat;
  readonly #remoteActive: Stat;

  constructor(counter: (name: string) => Stat) {
    this.#all = counter('upstream_cx_destroy');
    this.#local = counter('upstream_cx_destroy_local');
    this.#remote = counter('upstream_cx_destroy_remote');
    this.#active = counter('upstream_cx_destroy_with_active_rq');
    this.#localActive = counter('upstream_cx_destroy_local_with_active_rq');
    this.#remoteActive = counter('upstream_cx_destroy_remote_with_active_rq');
  }

  /** `isRemote`: the host ended it, or refused it. `isActive`: a request was on it, or somebody's bytes. */
  count(isRemote: boolean, isActive: boolean): void {
    this.#all.value += 1;
    (isRemote ? this.#remote : this.#local).value += 1;
    if (!isActive) return;
    this.#active.value += 1;
    (isRemote ? this.#remoteActive : this.#localActive).value += 1;
  }
}
