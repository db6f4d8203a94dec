/**
 * The readiness probe of the application next to a proxy. The first outcome is reported, and then every change, as
 * Istio's agent does.
 */
import type { Health } from './api/health.ts';
import type { Clock } from './common/clock.ts';
import type { Lifecycle } from './common/lifecycle.ts';
import { probeTcp } from './common/tcp-probe.ts';

export interface HealthReporterOptions {
  /** Where the application listens on loopback. */
  readonly port: number;
  readonly report: (health: Health) => void;
  readonly clock: Clock;
  /** Default `probeTcp`. Must not reject. */
  readonly probe?: typeof probeTcp;
}

/** Between probes of an application that is not ready: what it has to wait for its first request at most. */
const unhealthyIntervalMs = 100;
/** Between probes of one that is ready. When its process ends, the proxy ends too and is heard of without a probe. */
const healthyIntervalMs = 1000;
/** Far more than an application on the same machine needs; Istio's default for its probes. */
const timeoutMs = 1000;

export class HealthReporter implements Lifecycle {
  readonly #options: HealthReporterOptions;
  #state: 'new' | 'running' | 'closed' = 'new';
  #reported: Health['kind'] | undefined;
  #cancelTimer: () => void = () => {};

  constructor(options: HealthReporterOptions) {
    this.#options = options;
  }

  /** Resolves at once: the application may take any time to become ready. */
  async start(): Promise<void> {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    void this.#check();
  }

  /** There is nothing to finish: the same as `close`. */
  async drain(_deadlineMs: number): Promise<void> {
    await this.close();
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    this.#cancelTimer();
  }

  async #check(): Promise<void> {
    const { port, report, clock, probe = probeTcp } = this.#options;
    const reason = await probe({ address: '127.0.0.1', port, timeoutMs });
    if (this.#state !== 'running') return;
    const health: Health = reason === undefined ? { kind: 'healthy' } : { kind: 'unhealthy', reason };
    if (health.kind !== this.#reported) report(health);
    this.#reported = health.kind;
    const intervalMs = health.kind === 'healthy' ? healthyIntervalMs : unhealthyIntervalMs;
    this.#cancelTimer = clock.setTimer(() => void this.#check(), intervalMs);
  }
}
