/** How one check of one host goes over the wire: a port, so that tests answer without sockets. */
import type { Endpoint } from '../../api/cluster.ts';
import type { HealthCheck } from '../../api/health-check.ts';

/**
 * `success` · `failure`, the host says that it is not well · `retriable`, the same in a way that may pass · `network`, it
 * was not reached or gave no answer.
 */
export type CheckResult = 'success' | 'failure' | 'retriable' | 'network';

export interface Prober {
  /** Begins a check; the result is told once, unless the check is given up before. None is under way. */
  check(endpoint: Endpoint, onResult: (result: CheckResult) => void): void;
  /** Gives up what is under way and closes the connection; another check may follow. */
  abort(): void;
}

/** Makes the prober of one host. */
export type ProberFactory = (config: HealthCheck) => Prober;
