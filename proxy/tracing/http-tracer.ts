/**
 * Tracing of one HTTP connection manager: continues or begins the trace of each request, decides whether its span is
 * recorded, and hands finished spans to the exporter. A request that is not sampled costs its new `traceparent`.
 */
import type { Listener } from '../api/listener.ts';
import type { Tracing } from '../api/tracing.ts';
import type { Stat, StatsStore } from '../common/stats.ts';
import type { StreamObserver } from '../http/connection-manager.ts';
import { HeaderName } from '../http/header-name.ts';
import { type TraceReason, traceReasonOf, withTraceReason } from '../http/request-id.ts';
import type { HttpStream } from '../http/stream.ts';
import { currentRoute } from '../router/current-route.ts';
import type { CompiledRoute, RouteTable } from '../router/route-table.ts';
import { Span } from './span.ts';
import { type CustomTagReader, compileCustomTag, type TagOptions, tagsOf } from './span-tags.ts';
import { TraceContext } from './trace-context.ts';
import type { TraceIds } from './trace-ids.ts';

export interface SpanSink {
  add(span: Span): void;
}

export interface HttpTracerDependencies {
  readonly direction: Listener['trafficDirection'];
  readonly statPrefix: string;
  readonly stats: StatsStore;
  readonly nodeId: string;
  readonly ids: TraceIds;
  readonly random: () => number;
  readonly routes: () => RouteTable | undefined;
  readonly sink: SpanSink;
}

const requestId = new HeaderName('x-request-id');
const clientTraceId = new HeaderName('x-client-trace-id');
const forceTrace = new HeaderName('x-envoy-force-trace');
const decoratorOperation = new HeaderName('x-envoy-decorator-operation');
const traceState = new HeaderName('tracestate');

export class HttpTracer implements StreamObserver {
  readonly #config: Tracing;
  readonly #dependencies: HttpTracerDependencies;
  readonly #isEgress: boolean;
  readonly #tagOptions: TagOptions;
  readonly #customTags: readonly CustomTagReader[];
  /** Of routes that add some, by route: compiled when the first of their spans ends. */
  readonly #routeTags = new WeakMap<CompiledRoute, readonly CustomTagReader[]>();
  readonly #stats: TracingStats;
  readonly #context = new TraceContext();

  constructor(config: Tracing, dependencies: HttpTracerDependencies) {
    this.#config = config;
    this.#dependencies = dependencies;
    this.#isEgress = dependencies.direction === 'OUTBOUND';
    this.#tagOptions = { nodeId: dependencies.nodeId, maxPathTagLength: config.maxPathTagLength };
    this.#customTags = config.customTags.map(compileCustomTag);
    this.#stats = new TracingStats(dependencies.stats, dependencies.statPrefix);
  }

  // ---- the request ----

  /** Before the first filter sees it. */
  onRequestHeaders(stream: HttpStream): void {
    const { ids } = this.#dependencies;
    const { headers } = stream.request;
    const route = currentRoute(stream, this.#dependencies.routes);
    const context = this.#context;
    context.read(headers);
    const reason = this.#decide(stream, route);
    const isSampled = context.isSampled ?? reason !== undefined;
    if (context.traceId === '') context.traceId = ids.traceId();
    const spanId = ids.spanId();
    stream.traceId = context.traceId;
    context.write(headers, spanId, isSampled);
    if (isSampled) this.#beginSpan(stream, spanId);
    this.#tellOperation(stream, route);
  }

  /**
   * As Envoy decides: what the request's id says stands; then `x-client-trace-id` and `x-envoy-force-trace` are heard,
   * and the rest is chance. The decision goes on in the id.
   */
  #decide(stream: HttpStream, route: CompiledRoute | undefined): TraceReason | undefined {
    const { headers } = stream.request;
    const { random } = this.#dependencies;
    const sampling = route?.tracing?.sampling ?? this.#config.sampling;
    const id = headers.get(requestId) ?? '';
    const known = traceReasonOf(id);
    let reason = known;
    if (reason === undefined) {
      if (headers.find(clientTraceId, 0) >= 0 && random() < sampling.client) reason = 'client';
      else if (headers.find(forceTrace, 0) >= 0) reason = 'forced';
      else if (random() < sampling.random) reason = 'sampled';
    }
    if (reason !== undefined && sampling.overall < 1 && random() >= sampling.overall) reason = undefined;
    if (reason !== known) headers.set(requestId, withTraceReason(id, reason));
    this.#stats.of(reason).value += 1;
    return reason;
  }

  #beginSpan(stream: HttpStream, spanId: string): void {
    const startMs = stream.manager.wallTimeMs(stream.startMs);
    const span = new Span(this.#context, spanId, this.#isEgress ? 'CLIENT' : 'SERVER', startMs);
    span.name = this.#isEgress ? `egress ${stream.request.authority}` : 'ingress';
    span.traceState = stream.request.headers.get(traceState) ?? '';
    stream.span = span;
  }

  /** The caller's sidecar tells the next one what the operation is called; that one keeps it from its application. */
  #tellOperation({ request: { headers }, span }: HttpStream, route: CompiledRoute | undefined): void {
    const decorator = route?.decorator;
    if (span !== undefined && decorator !== undefined) span.name = decorator.operation;
    if (this.#isEgress) {
      if (decorator?.isPropagated === true) headers.set(decoratorOperation, decorator.operation);
      return;
    }
    const told = headers.get(decoratorOperation);
    if (told === undefined) return;
    if (span !== undefined && told !== '') span.name = told;
    headers.remove(decoratorOperation);
  }

  // ---- the response ----

  /** The next hop may know better what the operation is called; nobody else needs to. */
  onResponseHeaders({ response: { headers }, span }: HttpStream): void {
    if (!this.#isEgress) return;
    const told = headers.get(decoratorOperation);
    if (told === undefined) return;
    if (span !== undefined && told !== '') span.name = told;
    headers.remove(decoratorOperation);
  }

  onComplete(stream: HttpStream, durationMs: number): void {
    const { span } = stream;
    if (span === undefined) return;
    const { headers } = stream.request;
    const custom = [...this.#customTags, ...this.#tagsOfRoute(stream.route)].flatMap((read) => read(headers));
    span.attributes = withCustomTags(tagsOf(stream, this.#tagOptions), custom);
    span.endMs = span.startMs + durationMs;
    const { status } = stream.response;
    span.isError = status === 0 || status >= (span.kind === 'CLIENT' ? 400 : 500);
    this.#dependencies.sink.add(span);
  }

  #tagsOfRoute(route: CompiledRoute | undefined): readonly CustomTagReader[] {
    const customTags = route?.tracing?.customTags ?? [];
    if (route === undefined || customTags.length === 0) return [];
    const compiled = this.#routeTags.get(route) ?? customTags.map(compileCustomTag);
    this.#routeTags.set(route, compiled);
    return compiled;
  }
}

/** A key stands once: the later value replaces the earlier one. */
function withCustomTags(tags: Span['attributes'], custom: Span['attributes']): Span['attributes'] {
  if (custom.length === 0) return tags;
  return [...new Map([...tags, ...custom].map((attribute) => [attribute.key, attribute])).values()];
}

/** Envoy's `http.PREFIX.tracing.*`. */
class TracingStats {
  readonly #notTraceable: Stat;
  readonly #byReason: Readonly<Record<TraceReason, Stat>>;

  constructor(stats: StatsStore, statPrefix: string) {
    const counter = (name: string): Stat => stats.counter(`http.${statPrefix}.tracing.${name}`);
    this.#notTraceable = counter('not_traceable');
    this.#byReason = {
      sampled: counter('random_sampling'),
      forced: counter('service_forced'),
      client: counter('client_enabled'),
    };
  }

  of(reason: TraceReason | undefined): Stat {
    return reason === undefined ? this.#notTraceable : this.#byReason[reason];
  }
}
