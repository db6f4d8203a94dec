/**
 * Counts what access logs tell in the same series that instances report to. The way from an entry to its series is kept
 * for what came lately, so that an entry costs a look-up and some additions.
 */
import type { LogEntry } from '../../proxy/api/log-entry-decoder.ts';
import type { NodeMetadata } from '../../proxy/api/node.ts';
import {
  requestsTotal,
  standardHistograms,
  type StandardMetric,
  tcpMetrics,
} from '../../proxy/api/standard-metrics.ts';
import type { Label } from '../../proxy/common/exposition.ts';
import { labelsOfEntry, reporterOf } from './log-entry-labels.ts';
import type { RejectionReason } from './rejection.ts';
import { isAmount, isPlausibleStart } from './sample.ts';
import { seriesKey, type Series, type Totals } from './totals.ts';

export interface LogCountsLimits {
  /** Combinations of what entries say whose series are remembered; the one that was made first goes to make room. */
  readonly maxLogSeries: number;
}

/** The series of the metrics of HTTP, or of TCP, in the order of their tables. */
interface LogSeries {
  readonly series: readonly Series[];
  /** Since the last sweep. */
  isUsed: boolean;
}

/** One for each workload, however many of its instances send logs. */
export interface LogSource {
  readonly id: number;
  readonly node: NodeMetadata;
}

const durations = 'istio_request_duration_milliseconds';
const httpMetrics: readonly StandardMetric[] = [requestsTotal, ...standardHistograms];
/** A log that names one of a million requests is no account of them. */
const minSampleRate = 1e-6;

/** Hears of the requests that logs name. */
export interface RequestListener {
  /** The same array for the same labels. */
  requested(labels: readonly Label[], durationMs: number): void;
}

export class LogCounts {
  readonly #totals: Totals;
  readonly #limits: LogCountsLimits;
  readonly #listener: RequestListener | undefined;
  readonly #sources = new Map<string, LogSource>();
  readonly #known = new Map<string, LogSeries>();
  #sourceCount = 0;

  constructor(totals: Totals, limits: LogCountsLimits, listener?: RequestListener) {
    this.#totals = totals;
    this.#limits = limits;
    this.#listener = listener;
  }

  source(node: NodeMetadata): LogSource {
    const { workloadName, namespace, labels, clusterId, service } = node;
    const key = JSON.stringify([workloadName, namespace, labels, clusterId, service]);
    const known = this.#sources.get(key);
    if (known !== undefined) return known;
    // Whoever has a forgotten one keeps it: its series are looked up once more under a new number.
    if (this.#sources.size >= this.#limits.maxLogSeries) this.#sources.clear();
    const source = { id: (this.#sourceCount += 1), node };
    this.#sources.set(key, source);
    return source;
  }

  /** Why an entry cannot be counted. */
  rejectionOf(entry: LogEntry, nowMs: number): RejectionReason | undefined {
    const { durationMs, requestBytes, responseBytes, responseCode, sampleRate } = entry;
    if (entry.isIntermediate) return 'intermediate';
    if (entry.isOversized) return 'labels';
    if (!isPlausibleStart(entry.startMs, nowMs)) return 'start_time';
    const isCountable = isAmount(durationMs) && isAmount(requestBytes) && isAmount(responseBytes);
    const isSampled = sampleRate >= minSampleRate && sampleRate <= 1;
    if (!isCountable || !isSampled || responseCode > 999) return 'value';
    return reporterOf(entry) === undefined ? 'cluster' : undefined;
  }

  /** Counts an entry that nothing speaks against; a false result: there is no room for its series. */
  count(source: LogSource, entry: LogEntry, nowMs: number): boolean {
    const { series } = this.#find(source, entry, nowMs);
    if (series.length === 0) return false;
    const weight = 1 / entry.sampleRate;
    if (entry.isConnection) countConnection(series, entry, weight);
    else countRequest(series, entry, weight);
    if (!entry.isConnection) this.#listener?.requested(series[0]?.labelValues ?? [], entry.durationMs);
    for (const each of series) each.lastChangedMs = nowMs;
    keepExemplar(series[1], entry);
    return true;
  }

  /** For the request of an instance that counts by itself: its trace is shown with what that counted, if it has come. */
  trace({ node }: LogSource, entry: LogEntry): void {
    const reporter = reporterOf(entry);
    if (entry.isConnection || reporter === undefined || traceIdOf(entry) === undefined) return;
    const labels = labelsOfEntry(entry, reporter, node);
    const key = seriesKey({ name: durations, labels });
    keepExemplar(this.#totals.family(durations)?.series.get(key), entry);
  }

  /** Lets go of the series of what has not come since the last sweep. */
  sweep(): void {
    for (const [key, known] of this.#known) {
      if (known.isUsed) known.isUsed = false;
      else this.#forget(key, known);
    }
  }

  #find(source: LogSource, entry: LogEntry, nowMs: number): LogSeries {
    const key = keyOf(source, entry);
    const known = this.#known.get(key) ?? this.#add(key, source, entry, nowMs);
    known.isUsed = true;
    return known;
  }

  // oxlint-disable-next-line max-params -- the key is made of the others, at a price
  #add(key: string, source: LogSource, entry: LogEntry, nowMs: number): LogSeries {
    if (this.#known.size >= this.#limits.maxLogSeries) {
      const [oldest] = this.#known;
      if (oldest !== undefined) this.#forget(...oldest);
    }
    const labels = labelsOfEntry(entry, reporterOf(entry) ?? 'source', source.node);
    const series = (entry.isConnection ? tcpMetrics : httpMetrics).flatMap(({ name, help }) => {
      const sample = { name, help, labels };
      return this.#totals.findOrAdd(sample, seriesKey(sample), nowMs) ?? [];
    });
    for (const each of series) each.holders += 1;
    const added = { series, isUsed: true };
    this.#known.set(key, added);
    return added;
  }

  #forget(key: string, { series }: LogSeries): void {
    for (const each of series) each.holders -= 1;
    this.#known.delete(key);
  }
}

/** What its labels are made of; nothing of it can contain a line feed without being another key. */
function keyOf({ id }: LogSource, entry: LogEntry): string {
  const { isConnection, cluster, responseCode, responseFlags, reporter, destinationWorkload, peerMetadata } = entry;
  const response = isConnection ? 'tcp' : responseCode;
  return `${id}\n${cluster}\n${response}\n${responseFlags}\n${reporter}\n${destinationWorkload}\n${peerMetadata}`;
}

function countRequest(series: readonly Series[], entry: LogEntry, weight: number): void {
  const [requests, durations, requestSizes, responseSizes] = series;
  add(requests, weight);
  durations?.observe(entry.durationMs, weight);
  requestSizes?.observe(entry.requestBytes, weight);
  responseSizes?.observe(entry.responseBytes, weight);
}

/** An entry comes when the connection is over. */
function countConnection(series: readonly Series[], entry: LogEntry, weight: number): void {
  const [opened, closed, sent, received] = series;
  add(opened, weight);
  add(closed, weight);
  add(sent, entry.responseBytes * weight);
  add(received, entry.requestBytes * weight);
}

function add(series: Series | undefined, amount: number): void {
  if (series !== undefined) series.values[0] = (series.values[0] ?? 0) + amount;
}

const traceParentPattern = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f][13579bdf]$/;

/** Only traces that somebody records can be looked at: the last bit of the header says so. */
function traceIdOf({ traceParent }: LogEntry): string | undefined {
  return traceParent === '' ? undefined : traceParentPattern.exec(traceParent)?.[1];
}

function keepExemplar(series: Series | undefined, entry: LogEntry): void {
  const traceId = series?.family.name === durations ? traceIdOf(entry) : undefined;
  if (traceId === undefined) return;
  const { durationMs, startMs } = entry;
  series?.keepExemplar({ traceId, value: durationMs, timestampMs: startMs + durationMs });
}
