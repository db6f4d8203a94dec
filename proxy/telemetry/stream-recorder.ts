/** Counts each finished stream in Istio's standard metrics, from the side of the listener's traffic direction. */
import type { Listener } from '../api/listener.ts';
import type { StreamObserver } from '../http/connection-manager.ts';
import { Known } from '../http/header-name.ts';
import type { HttpStream } from '../http/stream.ts';
import type { IstioMetrics } from './istio-metrics.ts';
import type { MetricScope } from './metric-scope.ts';
import { packOutcome } from './response-outcome.ts';
import { outboundScope } from './traffic-scopes.ts';

export function createStreamRecorder(metrics: IstioMetrics, direction: Listener['trafficDirection']): StreamObserver {
  const scopeOf = direction === 'INBOUND' ? inboundScope : outboundScope;
  return {
    onComplete(stream, durationMs) {
      const scope = scopeOf(metrics, stream);
      metrics.record(
        scope,
        packOutcome(stream.request, stream.response),
        stream.responseFlags,
        durationMs,
        stream.requestBytes,
        stream.responseBytes,
      );
    },
  };
}

function inboundScope(metrics: IstioMetrics, stream: HttpStream): MetricScope {
  return metrics.inboundScope(stream.request.headers.knownValue(Known.peerMetadata) ?? '');
}
