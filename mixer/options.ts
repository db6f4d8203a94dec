/** What mixer can be told, and the defaults. */
import { systemClock, type Clock } from '../proxy/common/clock.ts';
import { createLogger, type Logger } from '../proxy/common/log.ts';
import type { LedgerLimits } from './telemetry/ledger.ts';
import type { ServiceGraphLimits } from './telemetry/service-graph.ts';
import type { LogCountsLimits } from './telemetry/log-counts.ts';
import type { TotalsLimits } from './telemetry/totals.ts';

export interface MixerLimits extends LedgerLimits, TotalsLimits, LogCountsLimits, ServiceGraphLimits {
  /** How often expired series and gone instances are looked for. */
  readonly sweepIntervalMs: number;
}

export interface MixerOptions {
  /** Address to listen on; there is no authentication. Default 127.0.0.1. */
  readonly host?: string;
  /** Sidecars report here over gRPC; default 15030, 0 lets the system choose. */
  readonly grpcPort?: number;
  /** `/metrics`, `/healthz` and `/ready`; default 15014, 0 lets the system choose. */
  readonly metricsPort?: number;
  /** API of the pilot whose canaries are driven, `http://127.0.0.1:15080`. Default: none are, until `followPilot`. */
  readonly pilotUrl?: string;
  /** Keeps the tokens of global rate limits for several mixers; default: each mixer keeps its own. */
  readonly redisUrl?: string;
  /** Upper bounds of the buckets that `/metrics` shows: some of Istio's standard ones, rising. Default: all. */
  readonly shownBounds?: readonly number[];
  readonly limits?: Partial<MixerLimits>;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** A mesh of a thousand sidecars with a thousand series each stays below a gigabyte. */
export const defaultLimits: MixerLimits = {
  maxInstances: 10_000,
  maxEpochsPerInstance: 64,
  maxSeriesPerInstance: 20_000,
  maxReportedSeries: 1_000_000,
  foldAfterMs: 3_600_000,
  maxSeriesPerFamily: 20_000,
  maxLogSeries: 50_000,
  maxEdges: 2_000,
  maxFamilies: 500,
  expireAfterMs: 3_600_000,
  sweepIntervalMs: 60_000,
};

/** Every option with its value. */
export interface ResolvedOptions {
  readonly host: string;
  readonly grpcPort: number;
  readonly metricsPort: number;
  readonly pilotUrl: string | undefined;
  readonly redisUrl: string | undefined;
  readonly shownBounds: readonly number[] | undefined;
  readonly limits: MixerLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

export function resolveOptions(options: MixerOptions): ResolvedOptions {
  return {
    host: options.host ?? '127.0.0.1',
    grpcPort: options.grpcPort ?? 15_030,
    metricsPort: options.metricsPort ?? 15_014,
    pilotUrl: options.pilotUrl,
    redisUrl: options.redisUrl,
    shownBounds: options.shownBounds,
    limits: { ...defaultLimits, ...options.limits },
    clock: options.clock ?? systemClock,
    logger: (options.logger ?? createLogger('heddle')).child('mixer'),
  };
}
