/** Messages of an access-log service as our proxy and Envoy send them: 16 KiB of entries. */
import protobuf from 'protobufjs';
import { accessLogTags } from '../../proxy/api/access-log-service.ts';
import { encode } from '../../proxy/api/protojson.ts';

const entriesPerMessage = 40;

/** Messages of altogether `series` entries, each of another series. */
export function logMessages(series: number, nowMs: number): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let first = 0; first < series; first += entriesPerMessage) {
    const log_entry = Array.from({ length: Math.min(entriesPerMessage, series - first) }, (_, i) =>
      entryOf(first + i, nowMs),
    );
    messages.push(encode('envoy.service.accesslog.v3.StreamAccessLogsMessage', { http_logs: { log_entry } }));
  }
  return messages;
}

/** The first of a stream. */
export function identifier(): Uint8Array {
  const { message, identifier: tags } = accessLogTags;
  const node = { id: 'envoy', metadata: { WORKLOAD_NAME: 'front', NAMESPACE: 'edge', LABELS: { app: 'front' } } };
  const writer = protobuf.Writer.create();
  writer.uint32(message.identifier).fork();
  writer.uint32(tags.node).bytes(encode('envoy.config.core.v3.Node', node));
  return writer.ldelim().finish();
}

const address = (port_value: number) => ({ socket_address: { address: '10.1.2.3', port_value } });

function entryOf(index: number, nowMs: number) {
  const service = `service-${index % 2_000}`;
  return {
    common_properties: {
      start_time: new Date(nowMs).toISOString(),
      duration: '0.007s',
      downstream_remote_address: address(40_000),
      downstream_local_address: address(15_001),
      upstream_remote_address: address(8_080),
      upstream_local_address: address(50_000),
      upstream_cluster: `outbound|8080|v1|${service}.production.svc.cluster.local`,
      route_name: 'default',
      upstream_request_attempt_count: 1,
      custom_tags: {
        'heddle.reporter': 'source',
        'heddle.destination_workload': `${service}-v1;production;${service};v1;Kubernetes`,
      },
    },
    protocol_version: 'HTTP11' as const,
    request: {
      request_method: 'GET' as const,
      scheme: 'http',
      authority: service,
      path: `/orders/${index}`,
      user_agent: 'curl/8.0',
      request_id: 'f7b0a1b2-0000-4000-8000-000000000001',
      request_headers: { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00' },
    },
    response: {
      response_code: 200 + Math.floor(index / 2_000),
      response_body_bytes: 1_234,
      response_code_details: 'via_upstream',
    },
  };
}
