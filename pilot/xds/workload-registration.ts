/**
 * When the workload behind one ADS stream takes traffic. A sidecar that announces a readiness probe decides that itself,
 * by its health reports. Any other is taken to be ready when it has accepted its listeners, so that nobody is sent to a
 * port that is not open yet; a client that takes no listeners, when it had time to.
 */
import type { Health } from '../../proxy/api/health.ts';
import type { Node } from '../../proxy/api/node.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import type { Logger } from '../../proxy/common/log.ts';
import { workloadOf } from '../model/workload.ts';
import type { WorkloadRegistry } from '../registry/workload-registry.ts';
import type { WorkloadSyncStatus } from './sync-status.ts';
import { warmingMs } from './warming-clusters.ts';

export interface RegistrationOptions {
  readonly node: Node;
  readonly registry: WorkloadRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class WorkloadRegistration {
  readonly #options: RegistrationOptions;
  #isReported: boolean;
  #health: Health | undefined;
  #unregister: (() => void) | undefined;
  #cancelTimer: () => void = () => {};

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#isReported = options.node.metadata.readinessProbe !== undefined;
  }

  start(): void {
    if (!this.#isReported) this.#cancelTimer = this.#options.clock.setTimer(() => this.onListening(), warmingMs);
  }

  /** The client accepted its listeners, or had time to. */
  onListening(): void {
    if (!this.#isReported) this.#register();
  }

  /** Whatever was registered before, by an earlier stream or pilot, the report counts. */
  report(health: Health): void {
    const { node, registry, logger } = this.#options;
    this.#isReported = true;
    this.#health = health;
    logger.info('health reported', { node: node.id, ...health });
    if (health.kind === 'healthy') return this.#register();
    registry.withdraw(node);
    this.#unregister = undefined;
  }

  close(): void {
    this.#cancelTimer();
    this.#unregister?.();
  }

  /** For `proxy-status`. */
  get status(): WorkloadSyncStatus {
    const { node, registry } = this.#options;
    if (workloadOf(node.metadata) === undefined) return { status: 'CLIENT' };
    if (registry.isRegistered(node)) return { status: 'IN ROTATION' };
    if (this.#health?.kind === 'draining') return { status: 'DRAINING' };
    return this.#health?.kind === 'unhealthy'
      ? { status: 'UNHEALTHY', reason: this.#health.reason }
      : { status: 'WAITING' };
  }

  #register(): void {
    this.#unregister ??= this.#options.registry.register(this.#options.node);
  }
}
