/** A whole proxy that traces, its backend and its collector. */
import { typeUrlOf } from '../../../proxy/api/discovery.ts';
import type { HttpConnectionManager_Tracing, Route, RouteAction } from '../../../proxy/api/envoy.gen.ts';
import type { ProxyServer } from '../../../proxy/server.ts';
import { Backend } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { bootstrapText, httpListener, routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { type Answer, type Call, call } from '../../support/http-call.ts';
import { startProxy } from '../../support/in-process-proxy.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { type CollectedSpan, OtlpCollector } from '../../support/otlp-collector.ts';
import { until } from '../../support/turns.ts';

export function openTelemetry(serviceName = 'web.shop'): NonNullable<HttpConnectionManager_Tracing['provider']> {
  const http_uri = { uri: 'http://collector:4318/v1/traces', cluster: 'collector', timeout: '1s' };
  const request_headers_to_add = [{ header: { key: 'x-tenant', value: 'shop' } }];
  return {
    name: 'envoy.tracers.opentelemetry',
    typed_config: {
      '@type': typeUrlOf('envoy.config.trace.v3.OpenTelemetryConfig'),
      service_name: serviceName,
      http_service: { http_uri, request_headers_to_add },
    },
  };
}

export interface TracingOptions {
  /** Default true. */
  readonly isTraced?: boolean;
  readonly tracing?: HttpConnectionManager_Tracing;
  readonly direction?: 'INBOUND' | 'OUTBOUND';
  readonly route?: Route;
  readonly action?: RouteAction;
}

export class TracingProxy {
  readonly server: ProxyServer;
  readonly clock: ManualClock;
  readonly backend: Backend;
  readonly collector: OtlpCollector;
  readonly port: number;

  private constructor(parts: Pick<TracingProxy, 'server' | 'clock' | 'backend' | 'collector' | 'port'>) {
    this.server = parts.server;
    this.clock = parts.clock;
    this.backend = parts.backend;
    this.collector = parts.collector;
    this.port = parts.port;
  }

  static async start(options: TracingOptions = {}): Promise<TracingProxy> {
    const { isTraced = true, tracing, direction = 'OUTBOUND', route, action } = options;
    const backend = closeAfterTest(await Backend.start());
    const collector = closeAfterTest(await OtlpCollector.start());
    const clusters = [staticCluster('reviews', [backend.port]), staticCluster('collector', [collector.port])];
    const manager = isTraced ? { tracing: { provider: openTelemetry(), ...tracing } } : {};
    const routes = routeConfiguration([routeTo('reviews', action, route)]);
    const clock = new ManualClock();
    const listener = httpListener({ direction, routes, manager });
    const { server, port } = await startProxy(bootstrapText([listener], clusters), { clock });
    return new TracingProxy({ server, clock, backend, collector, port });
  }

  call(input: Call = {}): Promise<Answer> {
    return call(this.port, input);
  }

  stat(name: string): number {
    return this.server.stats.entries().find((stat) => stat.name === name)?.value ?? 0;
  }

  /** Lets the time of the next export come, and waits for `count` spans. */
  async spans(count = 1): Promise<readonly CollectedSpan[]> {
    this.clock.advance(1_000);
    await until(() => this.collector.spans.length >= count);
    return this.collector.spans;
  }
}
