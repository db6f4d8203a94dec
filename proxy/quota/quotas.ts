/** The quota services that a proxy's filters ask: one stream for each service and domain. */
import { Backoff } from '../common/backoff.ts';
import type { Clock } from '../common/clock.ts';
import type { Logger } from '../common/log.ts';
import type { StatsStore } from '../common/stats.ts';
import { QuotaClient } from './quota-client.ts';
import { QuotaStream } from './quota-stream.ts';

export interface QuotasOptions {
  /** `host:port` behind a cluster; undefined when none is known at the time. */
  readonly target: (clusterName: string) => string | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  readonly stats: StatsStore;
  readonly logger: Logger;
}

export class Quotas {
  readonly #options: QuotasOptions;
  readonly #clients = new Map<string, QuotaClient>();

  constructor(options: QuotasOptions) {
    this.#options = options;
  }

  client(clusterName: string, domain: string): QuotaClient {
    const key = `${clusterName}\0${domain}`;
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const { target, clock, random, stats, logger } = this.#options;
    const prefix = `rate_limit_quota.${domain}.`;
    const client = new QuotaClient({
      domain,
      clock,
      backoff: new Backoff(100, 2_000, random),
      logger,
      stats: {
        reports: stats.counter(`${prefix}reports`),
        assignments: stats.counter(`${prefix}assignments`),
        invalidResponses: stats.counter(`${prefix}invalid_responses`),
      },
      connect: (callbacks) => {
        const address = target(clusterName);
        return address === undefined ? undefined : new QuotaStream(address, callbacks);
      },
    });
    this.#clients.set(key, client);
    return client;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }
}
