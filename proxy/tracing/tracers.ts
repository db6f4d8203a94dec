/** All tracing of a proxy: one exporter for each collector, whatever connection managers send there. */
import type { HttpConnectionManager, Listener } from '../api/listener.ts';
import type { RouteTable } from '../router/route-table.ts';
import { HttpTracer } from './http-tracer.ts';
import { SpanExporter, type SpanExporterDependencies } from './span-exporter.ts';
import { TraceIds } from './trace-ids.ts';

export interface TracersDependencies extends SpanExporterDependencies {
  readonly nodeId: string;
  /** Default: random ones. */
  readonly ids?: TraceIds;
}

export class Tracers {
  readonly #dependencies: TracersDependencies;
  readonly #ids: TraceIds;
  readonly #exporters = new Map<string, SpanExporter>();

  constructor(dependencies: TracersDependencies) {
    this.#dependencies = dependencies;
    this.#ids = dependencies.ids ?? new TraceIds();
  }

  /** Of one version of a listener; undefined when its connection manager traces nothing. */
  create(
    { tracing, statPrefix }: HttpConnectionManager,
    direction: Listener['trafficDirection'],
    routes: () => RouteTable | undefined,
  ): HttpTracer | undefined {
    if (tracing === undefined) return undefined;
    const { stats, nodeId, random } = this.#dependencies;
    const key = JSON.stringify(tracing.provider);
    const sink = this.#exporters.get(key) ?? new SpanExporter(tracing.provider, this.#dependencies);
    this.#exporters.set(key, sink);
    return new HttpTracer(tracing, { direction, statPrefix, stats, nodeId, random, routes, sink, ids: this.#ids });
  }

  /** Sends what has been recorded, at most `deadlineMs`. */
  async drain(deadlineMs: number): Promise<void> {
    await Promise.all([...this.#exporters.values()].map((exporter) => exporter.drain(deadlineMs)));
  }

  close(): void {
    for (const exporter of this.#exporters.values()) exporter.close();
  }
}
