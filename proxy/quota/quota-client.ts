/**
 * Reports the use of buckets to one quota service and takes its assignments: a few messages per second for all requests
 * together. A service that is gone or slow costs no request anything; buckets then do what their settings say.
 */
import type { QuotaBucketSettings } from '../api/filter-config.ts';
import {
  bucketKey,
  decodeQuotaResponse,
  encodeUsageReports,
  type QuotaAction,
  type QuotaUsage,
} from '../api/quota-service.ts';
import type { Backoff } from '../common/backoff.ts';
import type { Clock } from '../common/clock.ts';
import type { Logger } from '../common/log.ts';
import type { Stat } from '../common/stats.ts';
import { QuotaBucket } from './quota-bucket.ts';
import type { QuotaStreamCallbacks } from './quota-stream.ts';

export interface QuotaClientOptions {
  readonly domain: string;
  /** Opens a stream; undefined when nobody is known at the time. */
  readonly connect: (callbacks: QuotaStreamCallbacks) => QuotaConnection | undefined;
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly logger: Logger;
  readonly stats: QuotaClientStats;
}

export interface QuotaConnection {
  readonly send: (bytes: Uint8Array) => boolean;
  readonly cancel: () => void;
}

export interface QuotaClientStats {
  readonly reports: Stat;
  readonly assignments: Stat;
  readonly invalidResponses: Stat;
}

/** A bucket without requests is reported this much more rarely, so that its assignment does not expire. */
const idleReportFactor = 5;
/** After that long without requests a bucket that no configuration names is forgotten. */
const keepIdleMs = 60_000;

export class QuotaClient {
  readonly #options: QuotaClientOptions;
  /** By key of their id. Weak: a bucket lives as long as a configuration that names it. */
  readonly #buckets = new Map<string, WeakRef<QuotaBucket>>();
  /** Those with requests lately: a push of routes names its buckets again with the next request only. */
  readonly #kept = new Map<QuotaBucket, number>();
  #connection: QuotaConnection | undefined;
  #isClosed = false;
  #isMissed = false;
  #isReporting = false;
  #cancelTick = (): void => {};
  #cancelConnect = (): void => {};

  constructor(options: QuotaClientOptions) {
    this.#options = options;
  }

  /** The bucket of this id, with what is left in it whatever configuration named it first. */
  bucket(settings: QuotaBucketSettings): QuotaBucket {
    const key = bucketKey(settings.id);
    const nowMs = this.#options.clock.monotonicMs();
    const known = this.#buckets.get(key)?.deref();
    if (known !== undefined) {
      known.settings = settings;
      return known;
    }
    const bucket = new QuotaBucket(settings, nowMs);
    this.#buckets.set(key, new WeakRef(bucket));
    if (!this.#isReporting) this.#begin();
    else this.#scheduleTick(0);
    return bucket;
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTick();
    this.#cancelConnect();
    this.#connection?.cancel();
    this.#connection = undefined;
  }

  #begin(): void {
    this.#isReporting = true;
    this.#connect();
  }

  #connect(): void {
    if (this.#isClosed) return;
    const { clock, backoff, connect } = this.#options;
    this.#connection = connect({
      onResponse: (bytes) => this.#receive(bytes),
      onEnded: (reason) => this.#onEnded(reason),
    });
    if (this.#connection !== undefined) return this.#scheduleTick(0, true);
    this.#cancelConnect = clock.setTimer(() => this.#connect(), backoff.nextDelayMs());
  }

  #onEnded(reason: string): void {
    this.#connection = undefined;
    if (this.#isClosed) return;
    const { clock, backoff, logger } = this.#options;
    this.#cancelTick();
    if (!this.#isMissed) logger.warn('stream to the quota service ended', { reason });
    this.#isMissed = true;
    this.#cancelConnect = clock.setTimer(() => this.#connect(), backoff.nextDelayMs());
  }

  /** `isFirst`: of a stream, which knows no bucket yet. */
  #scheduleTick(delayMs: number, isFirst = false): void {
    this.#cancelTick();
    this.#cancelTick = this.#options.clock.setTimer(() => this.#report(isFirst), delayMs);
  }

  #report(isFirst: boolean): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const { clock, domain, stats } = this.#options;
    const nowMs = clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    const due: QuotaBucket[] = [];
    for (const [key, reference] of this.#buckets) {
      const bucket = reference.deref();
      if (bucket === undefined) this.#buckets.delete(key);
      else {
        nextMs = Math.min(nextMs, bucket.settings.reportingIntervalMs);
        if (isFirst || isDue(bucket, nowMs)) due.push(bucket);
        this.#keep(bucket, nowMs);
      }
    }
    if (due.length > 0) {
      const usages = due.map((bucket) => usageOf(bucket, nowMs));
      if (connection.send(encodeUsageReports({ domain, usages }))) {
        stats.reports.value += 1;
        for (const bucket of due) settle(bucket, nowMs);
      }
    }
    // Nobody asks for a bucket any more: the next one begins anew.
    if (nextMs === Number.POSITIVE_INFINITY) nextMs = 1_000;
    if (this.#connection !== undefined) this.#scheduleTick(nextMs);
  }

  #keep(bucket: QuotaBucket, nowMs: number): void {
    if (bucket.allowedCount > 0 || bucket.deniedCount > 0) this.#kept.set(bucket, nowMs);
    else if (nowMs - (this.#kept.get(bucket) ?? nowMs) > keepIdleMs) this.#kept.delete(bucket);
  }

  #receive(bytes: Uint8Array): void {
    const { clock, backoff, logger, stats } = this.#options;
    const decoded = decodeQuotaResponse(bytes);
    if (decoded.errors !== undefined) {
      stats.invalidResponses.value += 1;
      logger.warn('response of the quota service is not usable', { reason: decoded.errors[0]?.message });
      return;
    }
    backoff.reset();
    if (this.#isMissed) logger.info('the quota service answers again');
    this.#isMissed = false;
    for (const action of decoded.value) this.#apply(action, clock.monotonicMs());
  }

  #apply({ id, assignment }: QuotaAction, nowMs: number): void {
    const bucket = this.#buckets.get(bucketKey(id))?.deref();
    if (bucket === undefined) return;
    this.#options.stats.assignments.value += 1;
    if (assignment === undefined) bucket.abandon(nowMs);
    else bucket.assign(assignment, nowMs);
  }
}

/** A bucket that was never reported is due at once: its first assignment is asked for by that. */
function isDue({ allowedCount, deniedCount, reportedMs, settings }: QuotaBucket, nowMs: number): boolean {
  const waitedMs = nowMs - reportedMs;
  const isUsed = allowedCount > 0 || deniedCount > 0;
  return isUsed || waitedMs >= settings.reportingIntervalMs * idleReportFactor;
}

function usageOf({ settings, reportedMs, allowedCount, deniedCount }: QuotaBucket, nowMs: number): QuotaUsage {
  // The service refuses a report of no time at all.
  return { id: settings.id, elapsedMs: Math.max(1, Math.round(nowMs - reportedMs)), allowedCount, deniedCount };
}

function settle(bucket: QuotaBucket, nowMs: number): void {
  bucket.allowedCount = 0;
  bucket.deniedCount = 0;
  bucket.reportedMs = nowMs;
}
